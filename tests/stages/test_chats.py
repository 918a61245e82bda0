"""Conversations on their way to shards: what is left out of one side says nothing about the other."""

from collections import Counter
from pathlib import Path

import pytest

from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Message
from holdfast.stages import chats
from holdfast.stages.settings import SftSettings
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train

SHORT, LONG = "Yes.", "Yes, " * 100


def chat(name: str, reply: str) -> Conversation:
    return Conversation(name, (Message("user", "Well?"), Message("assistant", reply)))


def prepare(
    folder: Path, monkeypatch: pytest.MonkeyPatch, train_side: list[str], held_out: list[str]
) -> dict[str, object]:
    sides = [
        [chat(f"{side}{n}", reply) for n, reply in enumerate(replies)]
        for side, replies in (("t", train_side), ("h", held_out))
    ]
    monkeypatch.setattr(chats, "gather", lambda settings, seed: (*sides, Counter()))
    tokenizer = train([], TokenizerSettings(kind="byte"))
    return chats.prepare(SftSettings(generator="harbour"), 1, folder, tokenizer, 64, lambda done, total: None)


def test_as_many_rejected_before_as_are_kept_now_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = prepare(tmp_path, monkeypatch, [LONG, SHORT], [SHORT])
    assert counts["rejected"] == {"longer than the context": 1}
    assert [counts[side]["conversations"] for side in ("train", "heldout")] == [1, 1]  # type: ignore[index] # JSON


@pytest.mark.parametrize(("train_side", "held_out"), [([LONG], [SHORT]), ([SHORT], []), ([LONG, SHORT], [LONG])])
def test_a_side_with_nothing_left_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train_side: list[str], held_out: list[str]
) -> None:
    with pytest.raises(DataFault, match="no conversation is left"):
        prepare(tmp_path, monkeypatch, train_side, held_out)
