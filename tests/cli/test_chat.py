from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.base.faults import DataFault
from holdfast.cli import chat, main, sample


class Parrot:
    """A chat session that answers with what it has heard so far."""

    def __init__(self, loaded: object, params: Any, system: str | None = None) -> None:
        self.heard = [system] if system else []

    def ask(self, text: str) -> Iterator[str]:
        if text == "too long":
            raise DataFault("the message is too long", "write a shorter message")
        self.heard.append(text)
        yield from (f"{word}\n" for word in self.heard)


@pytest.fixture(autouse=True)
def _parrot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "opened_model", lambda run_dir, stage: None)
    monkeypatch.setattr("holdfast.infer.chat.ChatSession", Parrot)


def call(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        main.main(list(arguments))
    return left.value.code


def test_a_prompt_gets_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("chat", "run", "-p", "hello", "--system", "be kind") == 0
    assert capsys.readouterr().out.split() == ["be", "kind", "hello"]


def test_through_a_pipe_each_line_is_a_question_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\ntwo three\nfour"))
    assert call("chat", "run") == 0
    assert capsys.readouterr().out == "one\ntwo three\nfour\n"


def test_on_a_terminal_turns_add_up_until_the_person_leaves(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["a", "", "/what", "too long", "b", "/new", "c"])

    def typing(_: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", typing)
    chat.converse(lambda: Parrot(None, None))  # type: ignore[arg-type,return-value]
    told = capsys.readouterr()
    answers = [line for line in told.out.splitlines() if line and line != chat.HELP]
    assert answers == ["a", "a", "b", "c"]
    assert "the message is too long" in told.err


def test_a_sample_is_shown_with_its_beginning_and_given_to_programs_without(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "opened_model", lambda run_dir, stage: stage)
    monkeypatch.setattr("holdfast.infer.chat.stream", lambda loaded, prompt, params: iter([" upon", f" {loaded}"]))
    monkeypatch.setattr("holdfast.infer.chat.complete", lambda loaded, prompt, params: f" {params.max_tokens}")
    assert call("sample", "run", "--prompt", "Once", "--stage", "sft") == 0
    assert capsys.readouterr().out == "Once upon sft\n"
    assert call("sample", "run", "--prompt", "Once", "--max-tokens", "7", "--json") == 0
    assert capsys.readouterr().out == '{\n  "text": " 7"\n}\n'


def test_settings_of_the_draw_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("chat", "run", "-p", "x", "--temperature", "-1") == 2
    assert "temperature" in capsys.readouterr().err
