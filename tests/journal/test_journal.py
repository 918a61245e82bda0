"""The journal survives kills and damage, and its lineage is the run without its interruptions."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.base.faults import DiskFault
from holdfast.disk import fileops
from holdfast.journal.journal import Journal, Problem, lineage, read
from holdfast.journal.lines import Record
from tests.disk.watchers import Holding, Killed, Nth, Refusing


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


@pytest.mark.parametrize("torn", [0, 1, 30])
def test_while_the_disk_refuses_lines_wait_and_nothing_is_called_durable(tmp_path: Path, torn: int) -> None:
    journal = Journal.open(tmp_path)
    journal.append("step", loss=1.0)
    disk = Refusing(tmp_path, torn=torn)
    with fileops.watched(disk):
        for loss in (2.0, 3.0):
            journal.append("step", loss=loss)
            assert journal.fault is not None
            with pytest.raises(DiskFault, match="No space left"):
                journal.commit()
        assert losses(tmp_path) == [1.0]
        disk.on = False
        journal.commit()
        assert journal.fault is None
        assert losses(tmp_path) == [1.0, 2.0, 3.0]
        journal.append("step", loss=4.0)
    journal.close()
    problems: list[Problem] = []
    assert [(record["seq"], record["loss"]) for record in read(tmp_path, problems)] == [
        (0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)
    ]  # fmt: skip
    assert problems == []


def test_what_waited_is_written_when_the_journal_is_closed(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with fileops.watched(Refusing(tmp_path)):
        journal.append("step", loss=1.0)
    journal.close()
    assert losses(tmp_path) == [1.0]


def test_a_journal_that_waits_for_too_long_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.journal.journal._MOST_WAITING", 3)
    journal = Journal.open(tmp_path)
    with fileops.watched(Refusing(tmp_path)):
        for loss in range(3):
            journal.append("step", loss=float(loss))
        with pytest.raises(DiskFault, match="No space left"):
            journal.append("step", loss=3.0)
    journal.close()
    assert losses(tmp_path) == [0.0, 1.0, 2.0, 3.0]


def test_half_a_line_that_can_not_be_cut_off_costs_nothing_but_itself(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append("step", loss=1.0)
    with fileops.watched(Refusing(tmp_path, ["write", "truncate"], torn=20)):
        journal.append("step", loss=2.0)
    journal.append("step", loss=3.0)
    with fileops.watched(Refusing(tmp_path, ["write"], torn=25)):
        journal.append("step", loss=4.0)  # cutting this one off must not cut into an earlier one
    journal.append("step", loss=5.0)
    journal.close()
    problems: list[Problem] = []
    assert [record["loss"] for record in read(tmp_path, problems)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [(problem.file, problem.line) for problem in problems] == [("00001.jsonl", 2)]


class Moody:
    """A disk with a script: for each operation whether it is refused, and how much of a write does not get through."""

    def __init__(self, script: Iterable[tuple[bool, int]]) -> None:
        self._script = iter(script)

    def before(self, operation: fileops.Operation) -> None:
        refused, missing = next(self._script, (False, 0))
        if refused:
            if operation.data is not None:
                os.write(operation.handle, operation.data[: max(0, len(operation.data) - missing)])
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def after(self, operation: fileops.Operation) -> None:
        pass


def test_a_line_of_which_only_the_end_was_missing_is_not_read_twice(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    with fileops.watched(Moody([(True, 1), (True, 0)])):
        journal.append("eval", loss=1.0)
        journal.append("eval", loss=2.0)
    journal.close()
    assert losses(tmp_path) == [1.0, 2.0]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 150)), max_size=40), st.lists(st.booleans(), max_size=12))
def test_however_the_disk_fails_what_was_committed_is_there_in_order(
    tmp_path_factory: Any, script: list[tuple[bool, int]], commits: list[bool]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = Journal.open(directory)
    with fileops.watched(Moody(script)):
        for number, commit in enumerate(commits):
            journal.append("step", loss=float(number))
            if commit:
                with suppress(DiskFault):
                    journal.commit()
                    assert losses(directory) == list(map(float, range(number + 1)))
    journal.commit()
    journal.close()
    assert losses(directory) == list(map(float, range(len(commits))))


def test_who_appends_does_not_wait_for_a_commit_that_waits_for_the_disk(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append("step", loss=1.0)
    slow = Holding(tmp_path, ["sync"])
    with fileops.watched(slow), ThreadPoolExecutor(1) as other:
        commit = other.submit(journal.commit)
        assert slow.reached.wait(60)
        journal.append("step", loss=2.0)
        assert losses(tmp_path) == [1.0, 2.0]
        assert not commit.done()
        slow.go.set()
        commit.result()
    journal.close()


def test_killed_at_any_operation_what_was_committed_is_read_back(tmp_path: Path) -> None:
    for number in range(1, 100):
        directory, killing = tmp_path / str(number), Nth(number, Killed)
        committed = 0
        try:
            with fileops.watched(killing):
                journal = Journal.open(directory)
                for count in range(1, 4):
                    journal.append("step", loss=float(count))
                    journal.commit()
                    committed = count
        except Killed:
            again = Journal.open(directory)
            again.append("step", loss=9.0)
            again.close()
            assert losses(directory) in (
                [*map(float, range(1, count + 1)), 9.0] for count in (committed, committed + 1)
            )
            continue
        break
    assert number > 8


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


def test_at_the_very_step_of_the_resume_only_what_is_done_again_is_taken_back() -> None:
    story = Story()
    story.add("event", event="stage_start")
    story.steps(1, 4)
    story.add("eval", step=4, value=1.0)
    story.add("decision", step=4, position=5, verdict="skip")
    story.add("checkpoint", step=4)
    story.add("decision", step=4, position=6, verdict="skip")
    here = [("eval", 1.0), ("decision", 5), ("checkpoint", None)]
    assert told(story, step=4, position=6, evaluated=4) == here, "the state has the evaluation and one skip behind it"
    assert told(story, step=4, position=5, evaluated=4) == [here[0], here[2]]
    assert told(story, step=4, position=6, evaluated=2) == here[1:], "saved before the evaluation, which comes again"
    assert told(story, step=4, position=6, evaluated=None) == here[1:]
    assert told(story, step=3, position=3, evaluated=3) == []


def told(story: Story, **resume: Any) -> list[tuple[str, Any]]:
    """What survives a resume of what came after the steps."""
    records = [*story.records, {"seq": 99, "kind": "event", "event": "resume", "stage": "pretrain", **resume}]
    kept = [record for record in lineage(records) if record["kind"] not in ("step", "event")]
    return [(record["kind"], record.get("value", record.get("position"))) for record in kept]


def test_a_resume_of_an_older_format_takes_back_what_it_can_be_sure_of() -> None:
    story = Story()
    story.steps(1, 4)
    story.add("eval", step=4, value=1.0)
    story.add("decision", step=4, position=5, verdict="skip")
    story.add("eval", step=5, value=0.9)
    assert told(story, step=4) == [("eval", 1.0), ("decision", 5)]


def test_a_checkpoint_told_of_late_belongs_to_its_own_step() -> None:
    story = Story()
    story.add("event", event="stage_start")
    story.steps(1, 6)
    story.add("checkpoint", step=4, path="a")  # saved in the background meanwhile
    story.steps(7, 9)
    story.add("checkpoint", step=8, path="b")
    story.add("event", event="resume", step=8, position=8, evaluated=None)
    assert story.surviving() == list(range(1, 9))
    assert story.surviving("checkpoint") == [4, 8]
    story.steps(9, 9)
    story.add("event", event="resume", step=4, position=4, evaluated=None)  # the newer one turned out to be damaged
    assert story.surviving() == [1, 2, 3, 4]
    assert story.surviving("checkpoint") == [4]


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


def test_what_was_set_aside_and_came_back_is_in_the_line_again() -> None:
    story = Story()
    story.add("event", event="stage_start", fingerprint="first")
    story.steps(1, 6)
    story.add("event", event="stage_start", fingerprint="second")
    story.steps(1, 3)
    assert story.surviving() == [1, 2, 3]
    story.add("event", event="stage_back", fingerprint="first")
    assert story.surviving() == [1, 2, 3, 4, 5, 6]
    story.add("event", event="stage_back", fingerprint="second")
    assert story.surviving() == [1, 2, 3]
    story.add("event", event="stage_back", fingerprint="unknown")
    assert story.surviving() == []
