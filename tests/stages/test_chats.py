"""Conversations on their way to shards: what is left out of one side says nothing about the other."""

from collections import Counter
from pathlib import Path

import pytest

from holdfast.base.faults import DataFault
from holdfast.base.records import Conversation, Message
from holdfast.disk.fileops import watched
from holdfast.stages import chats
from holdfast.stages.settings import SftSettings
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train

from ..disk.breaking import contents, nothing_goes_past_the_watcher
from ..disk.watchers import Killed, Nth

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


def prepared(folder: Path) -> dict[str, object]:
    """Real conversations, a few of them."""
    settings = SftSettings(generator="harbour", conversations=30)
    return chats.prepare(settings, 1, folder, train([], TokenizerSettings(kind="byte")), 200, lambda done, total: None)


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chats, "FEWEST_HELD_OUT", 10)


@pytest.mark.usefixtures("_few")
def test_what_is_whole_is_not_prepared_again(tmp_path: Path) -> None:
    counts = prepared(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert prepared(tmp_path) == counts
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize(
    "name", ["train/00000.bin", "train/manifest.json", "val/00000.mask", "heldout.jsonl", "prepared.json"]
)
def test_what_is_damaged_is_prepared_again(tmp_path: Path, name: str) -> None:
    counts, whole = prepared(tmp_path), contents(tmp_path)
    data = bytearray(whole[name])
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    assert prepared(tmp_path) == counts
    assert contents(tmp_path) == whole


@pytest.mark.usefixtures("_few")
def test_nothing_goes_past_the_watcher(tmp_path: Path) -> None:
    nothing_goes_past_the_watcher(prepared, tmp_path / "out")


@pytest.mark.usefixtures("_few")
def test_wherever_it_is_killed_the_next_start_prepares_the_same(tmp_path: Path) -> None:
    counter = Nth()
    with watched(counter):
        prepared(tmp_path / "unbroken")
    for number in range(1, counter.count + 1, max(1, counter.count // 8)):
        with watched(Nth(number, Killed)), pytest.raises(Killed):
            prepared(tmp_path / str(number))
        assert not (tmp_path / str(number) / chats.PREPARED).exists() or number == counter.count
        prepared(tmp_path / str(number))
        assert contents(tmp_path / str(number)) == contents(tmp_path / "unbroken")


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
