"""The journal survives kills and damage, and its lineage is the run without its interruptions."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.base.faults import DiskFault
from holdfast.journal.journal import Journal, Problem, lineage, read
from holdfast.journal.lines import Record


def write(directory: Path, *losses: float) -> Path:
    journal = Journal.open(directory)
    for loss in losses:
        journal.append("step", loss=loss)
    journal.commit()
    journal.close()
    return journal.path


def losses(directory: Path) -> list[float]:
    return [record["loss"] for record in read(directory)]


def test_records_are_numbered_through_all_starts(tmp_path: Path) -> None:
    write(tmp_path, 0.1, 0.2)
    write(tmp_path)
    journal = Journal.open(tmp_path)
    record = journal.append("eval", value=1 / 3)
    journal.close()
    journal.close()
    assert journal.incarnation == 3
    assert journal.path.name == "00003.jsonl"
    assert record["seq"] == 2
    assert list(read(tmp_path))[-1] == record
    assert [found["seq"] for found in read(tmp_path)] == [0, 1, 2]


def test_a_record_is_there_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for count in range(3):
        journal.append("step", loss=float(count))
        assert losses(tmp_path) == [float(number) for number in range(count + 1)]
    journal.close()


@settings(max_examples=40)
@given(st.integers(1, 400))
def test_a_tail_torn_anywhere_costs_its_line_only_and_is_no_problem(tmp_path_factory: Any, cut: int) -> None:
    directory = tmp_path_factory.mktemp("journal")
    path = write(directory, *map(float, range(6)))
    size = path.stat().st_size
    os.truncate(path, max(0, size - cut))
    whole = path.read_bytes().count(b"\n")
    write(directory, 77.0)
    problems: list[Problem] = []
    found = list(read(directory, problems))
    assert [record["loss"] for record in found] == [*map(float, range(whole)), 77.0]
    assert [record["seq"] for record in found] == list(range(whole + 1))
    assert problems == []


def test_damage_in_the_middle_is_passed_over_and_reported(tmp_path: Path) -> None:
    path = write(tmp_path, *map(float, range(5)))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"2.0", b"9.0")
    path.write_bytes(b"".join(lines))
    problems: list[Problem] = []
    assert [record["loss"] for record in read(tmp_path, problems)] == [0.0, 1.0, 3.0, 4.0]
    assert [(problem.file, problem.line) for problem in problems] == [("00001.jsonl", 3), ("00001.jsonl", 4)]
    assert "differs" in problems[0].why
    assert "record 2 should be here" in problems[1].why


@pytest.mark.parametrize(
    "rubbish", [b"", b"\n\n", b"\x00" * 5000, b"{}\n[]\n", random.Random(0).randbytes(3000), b"x" * 300_000 + b"\n"]
)
def test_rubbish_stops_neither_reading_nor_the_next_start(tmp_path: Path, rubbish: bytes) -> None:
    path = write(tmp_path, 1.0)
    path.write_bytes(path.read_bytes() + rubbish)
    (tmp_path / "00001.jsonl.bak").write_bytes(rubbish)
    (tmp_path / "00000009.jsonl").mkdir()
    write(tmp_path, 2.0)
    assert losses(tmp_path) == [1.0, 2.0]
    assert [record["seq"] for record in read(tmp_path)] == [0, 1]


def test_reading_creates_nothing(tmp_path: Path) -> None:
    assert list(read(tmp_path / "journal")) == []
    assert not (tmp_path / "journal").exists()


def test_a_field_can_not_take_the_journals_own_names(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with pytest.raises(ValueError, match="called seq"):
        journal.append("step", seq=4)
    journal.close()


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(tmp_path)
    journal.append("step", loss=1.0)
    real = os.write

    def short_then_full(handle: int, data: Any) -> int:
        if len(data) <= 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, data[: len(data) - 10])

    monkeypatch.setattr(os, "write", short_then_full)
    with pytest.raises(DiskFault, match="No space left"):
        journal.append("step", loss=2.0)
    monkeypatch.undo()
    journal.append("step", loss=3.0)
    journal.close()
    problems: list[Problem] = []
    assert [(record["seq"], record["loss"]) for record in read(tmp_path, problems)] == [(0, 1.0), (1, 3.0)]
    assert problems == []


def test_a_place_that_can_not_be_written_is_a_disk_fault(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(DiskFault, match="can not be written"):
        Journal.open(tmp_path / "journal")


class Story:
    """Records as a run would journal them."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def add(self, kind: str, stage: str | None = "pretrain", **fields: Any) -> None:
        place = {} if stage is None else {"stage": stage}
        self.records.append({"seq": len(self.records), "kind": kind, **place, **fields})

    def steps(self, first: int, last: int, stage: str = "pretrain", save_every: int = 0, mark: str = "") -> None:
        for step in range(first, last + 1):
            self.add("step", stage, step=step, mark=mark)
            if save_every and step % save_every == 0:
                self.add("checkpoint", stage, step=step)

    def surviving(self, kind: str = "step", stage: str = "pretrain") -> list[int]:
        return [found["step"] for found in lineage(self.records) if found["kind"] == kind and found["stage"] == stage]


def test_steps_behind_the_checkpoint_are_taken_back() -> None:
    story = Story()
    story.add("event", event="stage_start")
    story.steps(1, 7, save_every=5, mark="first")
    story.add("event", event="resume", step=5)
    story.steps(6, 9, mark="second")
    assert story.surviving() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    marks = [record["mark"] for record in lineage(story.records) if record["kind"] == "step"]
    assert marks == ["first"] * 5 + ["second"] * 4


def test_what_came_at_the_checkpoints_step_but_after_it_is_done_again() -> None:
    story = Story()
    story.add("event", event="stage_start")
    story.steps(1, 4)
    story.add("eval", step=4, value=1.0)
    story.add("checkpoint", step=4)
    story.add("decision", step=4, verdict="skip")
    story.add("eval", step=4, value=2.0)
    story.add("event", event="resume", step=4)
    story.add("decision", step=4, verdict="skip")
    assert [(found["kind"], found.get("value")) for found in lineage(story.records)[5:]] == [
        ("eval", 1.0), ("checkpoint", None), ("event", None), ("decision", None)
    ]  # fmt: skip


def test_a_checkpoint_that_the_journal_does_not_know_still_counts() -> None:
    story = Story()
    story.steps(1, 8)
    story.add("event", event="resume", step=6)
    assert story.surviving() == [1, 2, 3, 4, 5, 6]


def test_other_stages_and_records_without_a_step_are_left_alone() -> None:
    story = Story()
    story.add("event", None, event="start")
    story.steps(1, 3, save_every=1)
    story.steps(1, 4, "sft", save_every=2)
    story.add("event", "sft", event="note", text="x")
    story.add("event", "sft", event="resume", step=2)
    assert story.surviving() == [1, 2, 3]
    assert story.surviving(stage="sft") == [1, 2]
    assert [found["event"] for found in lineage(story.records) if found["kind"] == "event"] == [
        "start",
        "note",
        "resume",
    ]


def test_a_stage_that_is_done_anew_leaves_nothing_of_its_first_time() -> None:
    story = Story()
    story.add("event", event="stage_start")
    story.steps(1, 5, save_every=2)
    story.add("event", event="stage_done")
    story.add("event", event="stage_start")
    story.steps(1, 2)
    assert story.surviving() == [1, 2]
    assert story.surviving("checkpoint") == []
    assert len(lineage(story.records)) == 3


def test_steps_done_again_without_a_word_replace_their_first_time() -> None:
    story = Story()
    story.steps(1, 6, mark="first")
    story.steps(1, 2, mark="second")
    assert [(found["step"], found["mark"]) for found in lineage(story.records)] == [(1, "second"), (2, "second")]


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=6))
def test_however_often_a_run_is_broken_off_its_lineage_counts_up_by_one(starts: list[tuple[int, bool]]) -> None:
    story = Story()
    story.add("event", event="stage_start")
    reached, saved = 0, 0
    for count, told in starts:
        if reached and (told or not saved):
            story.add("event", event="resume", step=saved)
        story.steps(saved + 1, saved + count, save_every=4)
        reached = saved + count
        saved = max(saved, reached - reached % 4)
    assert story.surviving() == list(range(1, reached + 1))
    assert story.surviving("checkpoint") == list(range(4, reached + 1, 4))
    seqs = [found["seq"] for found in lineage(story.records)]
    assert seqs == sorted(set(seqs))
