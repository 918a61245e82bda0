"""What people see of a run, on a terminal, in a log, and where only Windows code pages are known."""

from __future__ import annotations

import io
import re
import threading
import time
from typing import Any

import pytest

from holdfast.journal.sinks.console import Console, message
from holdfast.journal.sinks.screen import REDRAWS_PER_SECOND

START = 1_760_000_000.0


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class File:
    """A stream with an encoding of its own, as a redirected standard output has."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        self.stream = io.TextIOWrapper(self.bytes, encoding=encoding)

    def lines(self) -> list[str]:
        self.stream.flush()
        return self.bytes.getvalue().decode(self.stream.encoding).splitlines()


def step(number: int, at: float, **fields: Any) -> dict[str, Any]:
    plain = {
        "total_steps": 1000,
        "loss": 2.5,
        "learning_rate": 3e-4,
        "grad_norm": 0.8,
        "tokens_per_second": 12_345.0,
        "step_ms": 500.0,
    }
    return event("step", at, step=number, tokens=number * 64, **(plain | fields))


def event(kind: str, at: float = 0.0, **fields: Any) -> dict[str, Any]:
    return {"seq": 0, "time": START + at, "kind": kind, "stage": "pretrain", **fields}


def shown(*records: dict[str, Any], **options: Any) -> list[str]:
    file = File("utf-8")
    console = Console(stream=file.stream, **options)
    for record in records:
        console.take(record)
    console.close()
    return file.lines()


def test_a_step_line_says_what_a_watcher_asks() -> None:
    records = [event("event", event="stage_start"), *(step(number, number / 2) for number in range(1, 31))]
    saved = event("checkpoint", 15.0, step=30, tags=["interval"], seconds=0.25)
    lines = shown(*records, saved, step(40, 20.0), step(100, 50.0))
    line = lines[-1]
    assert line.startswith("pretrain 100/1,000 10%  loss 2.5000  lr 3.00e-04  grad 0.80  12.3k tok/s  ")
    assert re.search(r"  [\d.]+ [MG]B  saved 35s ago  50s<7m30s, done \d\d:\d\d( to \d\d:\d\d)?$", line)
    assert "pretrain step 30: saved (interval) in 0.25 s" in lines
    assert "<calculating" in lines[1]
    assert "not saved for" in lines[1]


def test_lines_come_at_sane_intervals_and_ever_more_seldom() -> None:
    for hours, most in ((1 / 6, 65), (1, 250), (24, 700)):
        count = 2000
        seconds = hours * 3600 / count
        records = [step(number, number * seconds, total_steps=count) for number in range(1, count + 1)]
        lines = shown(*records)
        assert 20 < len(lines) < most
        assert lines[-1].startswith("pretrain 2,000/2,000 100%")
        assert lines[0].startswith("pretrain 1/2,000 0%")


def test_a_clock_set_back_does_not_silence_the_run() -> None:
    assert len(shown(step(1, 0.0), step(2, -90_000.0))) == 2


def test_lines_by_steps_when_asked_for() -> None:
    lines = shown(*(step(number, number * 50.0) for number in range(1, 31)), every_steps=10)
    assert [line.split()[1] for line in lines] == ["1/1,000", "10/1,000", "20/1,000", "30/1,000"]


def test_quiet_is_quiet() -> None:
    everything = [event("event", event="stage_start"), step(1, 0.0), event("event", event="note", text="hello")]
    assert shown(*everything, quiet=True) == []


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "utf-8"])
def test_any_text_can_be_shown_on_any_code_page(encoding: str) -> None:
    file = File(encoding)
    console = Console(stream=file.stream)
    console.take(event("sample", step=1, prompt="\x1b[2J", text="snow \u2603 \U0001f600 \ud800 \x07 ne\nxt [red]x"))
    console.take(step(1, 0.0))
    console.close()
    assert len(file.lines()) == 2
    assert "\x1b" not in "".join(file.lines())
    assert file.lines()[0].endswith("ne xt [red]x")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (event("event", event="note", text="43 documents"), "43 documents"),
        (event("event", event="resume", step=20), "pretrain step 20: resumed"),
        (event("event", event="stage_done", wall_seconds=192.2), "pretrain: done in 3m12s"),
        (event("event", event="exception", step=3, what="KeyError"), "pretrain step 3: exception KeyError"),
        (event("decision", step=7, verdict="skip", reason="the loss is not finite"),
         "pretrain step 7: skip: the loss is not finite"),
        (event("eval", step=7, name="validation", metric="bits_per_byte", value=1.23456, n=4000, low=1.2, high=1.3),
         "pretrain step 7: validation bits_per_byte 1.235 (1.2 to 1.3), n 4,000"),
        (event("eval", name="questions", metric="exact_match", value=0.9, n=None, low=None, high=None),
         "pretrain: questions exact_match 0.9"),
        (event("event", event="start", incarnation=2), None),
        (event("something new", step=4), None),
    ],
)  # fmt: skip
def test_what_a_record_is_worth(record: dict[str, Any], text: str | None) -> None:
    assert message(record) == text


def test_long_samples_are_cut() -> None:
    assert len(str(message(event("sample", step=1, prompt="a", text="word " * 500)))) < 220


def test_a_loss_that_is_not_finite_is_shown_as_it_is() -> None:
    assert "loss nan" in shown(step(1, 0.0, loss=float("nan")))[0]


def test_missing_measurements_are_left_out() -> None:
    line = shown(event("step", step=3))[0]
    assert line.startswith("pretrain 3  ")
    assert "loss" not in line


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_a_terminal_gets_a_live_view_that_leaves_no_trace(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream, threads = Terminal(), threading.active_count()
    console = Console(stream=stream)
    console.take(event("event", event="stage_start"))
    for number in range(1, 20):
        console.take(step(number, number / 2))
    console.take(event("checkpoint", 10, step=19, tags=["interval"]))
    console.take(event("decision", step=19, verdict="skip", reason="the loss is not finite"))
    time.sleep(1.5 / REDRAWS_PER_SECOND)
    during = stream.getvalue()
    console.take(event("event", event="stage_done", wall_seconds=10.0))
    console.close()
    assert "\x1b[?25l" in during  # the cursor is hidden while the line is redrawn
    assert "19/1,000" in during
    assert "loss 2.5000" in during
    assert "saved (interval)" not in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("done in 10s")
    assert stream.getvalue().rfind("\x1b[?25h") > stream.getvalue().rfind("\x1b[?25l")
    deadline = time.monotonic() + 5
    while threading.active_count() > threads:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    records = [step(1, 0.0), event("decision", step=1, verdict="skip", reason="x")]

    def colours() -> list[str]:
        stream = Terminal()
        console = Console(stream=stream)
        for record in records:
            console.take(record)
        console.close()
        return re.findall(r"\x1b\[[\d;]*3[1-7][\d;]*m", stream.getvalue())

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours()


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    console = Console(stream=stream)
    console.take(step(1, 0.0))
    console.close()
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().startswith("pretrain 1/1,000")


def test_an_alarm_is_seen_when_it_is_raised_and_as_long_as_it_lasts() -> None:
    def alarm(name: str, over: bool = False) -> dict[str, Any]:
        return event("event", event="alarm", alarm=name, over=over, text=f"{'over: ' if over else ''}{name} it is")

    lines = shown(step(1, 1.0), alarm("disk_low"), alarm("memory"), step(2, 2.0), every_steps=1)
    assert lines[1:3] == ["ALARM disk_low it is", "ALARM memory it is"]
    assert "  ALARM disk low, memory  " in lines[3]
    lines = shown(step(1, 1.0), alarm("disk_low"), alarm("disk_low", over=True), step(2, 2.0), every_steps=1)
    assert lines[2] == "over: disk_low it is"
    assert "ALARM" not in lines[3]


def test_an_alarm_is_seen_when_all_else_is_quiet() -> None:
    raised = event("event", event="alarm", alarm="hang", over=False, text="it hangs")
    assert shown(step(1, 1.0), raised, quiet=True) == ["ALARM it hangs"]
