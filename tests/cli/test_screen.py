from __future__ import annotations

import json

import pytest

from holdfast.cli.screen import minutes, show_json, show_table, show_text, size


def test_a_table_in_a_pipe_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("a", "b"), [(1000, None), ("[x]", True)])
    assert capsys.readouterr().out == "a\tb\n1000\t-\n[x]\tTrue\n"


def test_a_table_on_a_terminal_shows_text_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    show_table(("name", "count"), [("[bold]x[/]", 12345), ("y", None)])
    shown = capsys.readouterr().out
    assert "[bold]x[/]" in shown
    assert "12,345" in shown


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"text": 'ü "\n'})
    assert json.loads(capsys.readouterr().out) == {"text": 'ü "\n'}
    with pytest.raises(ValueError, match="JSON"):
        show_json({"value": float("nan")})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 m 00 s"),
        (192, "3 m 12 s"),
        (3599.6, "1 h 00 m"),
        (3900, "1 h 05 m"),
    ],
)
def test_time_spans_for_people(seconds: float | None, text: str) -> None:
    assert minutes(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (2.5e6, "2.5 MB"), (7e12, "7000.0 GB")]
)
def test_sizes_for_people(count: float, text: str) -> None:
    assert size(count) == text


def test_what_a_model_writes_can_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_text("a\x1b[2J\x07\x9b1m\r\u2028b\tü\n", end=".\n")
    assert capsys.readouterr().out == "a\ufffd[2J\ufffd\ufffd1m\ufffd\u2028b\tü\n.\n"
