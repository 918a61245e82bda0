"""The end of a journal says of the latest steps what the whole of it says, however little of it is read."""

from pathlib import Path

import pytest

from holdfast.journal import recent as module
from holdfast.journal.journal import Journal, lineage, read
from holdfast.journal.lines import Record
from holdfast.journal.recent import opening, recent


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL_BYTES", 2000)


def start(directory: Path, first: int, last: int, **resumed: int) -> None:
    journal = Journal.open(directory)
    if resumed:
        journal.append("event", event="resume", stage="pretrain", **resumed)
    for step in range(first, last + 1):
        journal.append("step", stage="pretrain", step=step, loss=1.0 / step)
    journal.close()


def steps(line: list[Record]) -> list[int]:
    return [record["step"] for record in line if record["kind"] == "step"]


@pytest.mark.parametrize("wanted", [1, 10, 60, 300])
def test_it_is_the_end_of_the_whole_line(tmp_path: Path, wanted: int) -> None:
    start(tmp_path, 1, 200)
    start(tmp_path, 151, 240, step=150)  # takes back 151 to 200
    start(tmp_path, 231, 280, step=230)
    whole = lineage(read(tmp_path))
    line = recent(tmp_path, lambda line: len(steps(line)) >= wanted)
    assert steps(whole) == list(range(1, 281))
    assert line == whole[-len(line) :]
    assert len(steps(line)) >= min(wanted, 280)


def test_little_is_read_of_a_long_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    real = module.decode
    monkeypatch.setattr(module, "decode", lambda line: decoded.append(line) or real(line))
    start(tmp_path, 1, 3000)
    recent(tmp_path, lambda line: len(steps(line)) >= 10)
    assert 10 <= len(decoded) < 50


def test_what_was_brought_back_is_looked_for_from_the_beginning(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for kind, fields in (
        ("event", {"event": "stage_start", "stage": "pretrain", "fingerprint": "a"}),
        *[("step", {"stage": "pretrain", "step": step}) for step in range(1, 90)],
        ("event", {"event": "stage_start", "stage": "pretrain", "fingerprint": "b"}),
        ("step", {"stage": "pretrain", "step": 1}),
        ("event", {"event": "stage_back", "stage": "pretrain", "fingerprint": "a"}),
        ("step", {"stage": "pretrain", "step": 90}),
    ):
        journal.append(kind, **fields)
    journal.close()
    assert steps(recent(tmp_path, lambda line: True)) == list(range(1, 91))


def test_a_torn_end_and_no_journal_are_no_trouble(tmp_path: Path) -> None:
    assert recent(tmp_path / "nowhere", lambda line: False) == []
    start(tmp_path, 1, 200)
    with open(tmp_path / "00001.jsonl", "ab") as file:
        file.write(b'{"seq":200,"kind":"step","sta')
    assert steps(recent(tmp_path, lambda line: bool(line)))[-1] == 200


def test_the_opening_ends_before_the_first_step(tmp_path: Path) -> None:
    start(tmp_path, 1, 5)
    start(tmp_path, 4, 9, step=3)
    assert [record["event"] for record in opening(tmp_path, 2)] == ["resume"]
    assert opening(tmp_path, 1) == []
