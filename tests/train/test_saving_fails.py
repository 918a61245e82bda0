"""A disk that refuses while the training goes on: told at once, tried again, and given up on in time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DiskFault
from holdfast.base.records import Batch
from holdfast.disk import fileops
from holdfast.disk.fileops import Operation
from holdfast.journal.journal import Journal, read
from holdfast.train import saving
from holdfast.train.loop import train
from holdfast.train.signals import StopFlag
from holdfast.vault.store import Policy, Vault
from holdfast.vault.verify import verify
from tests.disk.watchers import Holding, Refusing, refusal
from tests.train.toy import Notebook, Ramp, cadence, fresh, same, saves_of, steps_of, training


@pytest.fixture(autouse=True)
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "RETRY_SECONDS", 0.0)


def test_a_save_that_fails_is_told_within_one_step_and_tried_again(tmp_path: Path) -> None:
    disk = Refusing(tmp_path / "checkpoints", on=False)

    def turn(on: bool) -> Any:
        return lambda: setattr(disk, "on", on)

    notes, state = Notebook(step_3=turn(True), step_6=turn(False)), fresh()
    options: dict[str, Any] = {"cadence": cadence(save_steps=2, background=False)}
    with fileops.watched(disk):
        train(state, training(tmp_path, notes, **options))
    assert notes.saved() == [(2, ["interval"]), (6, ["interval"]), (8, ["interval"]), (10, ["stage_end"])]
    failed = [index for index, record in enumerate(notes.records) if record.get("event") == "save_failed"]
    assert [notes.records[index - 1]["step"] for index in failed] == [5, 6], "tried at 4, told at 5; again at 5"
    assert "no space left" in notes.events("save_failed")[0]
    assert "s of work are at risk" in notes.events("save_failed")[0]
    unbroken = fresh()
    train(unbroken, training(tmp_path / "unbroken", Notebook(), **options))
    assert same(state, unbroken)


def test_in_the_background_a_failure_is_told_too_and_training_goes_on(tmp_path: Path) -> None:
    disk, notes = Refusing(tmp_path), Notebook()

    def record(kind: str, **fields: Any) -> None:
        notes(kind, **fields)
        disk.on &= fields.get("event") != "save_failed"

    with fileops.watched(disk):
        train(fresh(), training(tmp_path, record))
    assert len(notes.events("save_failed")) == 1
    assert notes.saved()[-1] == (10, ["stage_end"])
    assert [record["step"] for record in notes.of("step")] == list(range(1, 11))


def test_when_too_much_work_is_at_risk_the_run_ends_with_the_older_ones_intact(tmp_path: Path) -> None:
    disk = Refusing(tmp_path, on=False)
    notes = Notebook(step_4=lambda: setattr(disk, "on", True))
    few = cadence(save_steps=2, background=False, risk_seconds=0.0)
    with fileops.watched(disk), pytest.raises(DiskFault, match="no space left"):
        train(fresh(), training(tmp_path, notes, cadence=few))
    assert [record["step"] for record in notes.of("step")] == [1, 2, 3, 4, 5]
    assert len(notes.events("save_failed")) == 2, "and the last attempt to keep the work"
    assert [verify(found) for found in Vault(tmp_path).checkpoints()] == [None]
    assert steps_of(tmp_path) == [2]


def test_a_run_does_not_end_well_without_its_last_state_on_the_disk(tmp_path: Path) -> None:
    disk = Refusing(tmp_path, on=False)
    notes = Notebook(step_9=lambda: setattr(disk, "on", True))
    with fileops.watched(disk), pytest.raises(DiskFault, match="no space left"):
        train(fresh(), training(tmp_path, notes, cadence=cadence(save_steps=4, background=False)))
    assert steps_of(tmp_path) == [4, 8]


def test_a_stop_whose_state_can_not_be_saved_is_no_clean_stop(tmp_path: Path) -> None:
    disk, stop = Refusing(tmp_path, on=False), StopFlag()
    notes = Notebook(step_6=lambda: (setattr(disk, "on", True), stop.ask("SIGTERM")))
    with fileops.watched(disk), pytest.raises(DiskFault, match="no space left"):
        train(fresh(), training(tmp_path, notes, stop=stop, cadence=cadence(save_steps=4, background=False)))
    assert steps_of(tmp_path) == [4]


class Full:
    """A disk with no room until something on it was deleted."""

    def __init__(self) -> None:
        self.full = True

    def before(self, operation: Operation) -> None:
        if self.full and operation.kind == "allocate":
            raise refusal()

    def after(self, operation: Operation) -> None:
        self.full &= operation.kind != "unlink"


def test_on_a_full_disk_what_need_not_stay_makes_room(tmp_path: Path) -> None:
    state, notes = fresh(), Notebook()
    vault = Vault(tmp_path, 1)
    for step in range(1, 6):
        vault.save(step, state.tensors(), {"stage": "toy"}, [])
    saves = saves_of(tmp_path, notes, state, policy=Policy(newest=2))
    state.step = 6
    with fileops.watched(Full()):
        saves.start(state, {"stage": "toy"}, ["interval"])
        saves.drain()
    assert notes.records == notes.of("checkpoint")
    assert steps_of(tmp_path) == [5, 6]
    saves.close()


class Held(Refusing):
    """Refuses too, but not before it is let `go`."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.held = Holding(place)

    def before(self, operation: Operation) -> None:
        self.held.before(operation)
        super().before(operation)


def test_when_what_is_under_way_fails_after_something_broke_the_work_is_kept_all_the_same(tmp_path: Path) -> None:
    disk, notes = Held(tmp_path), Notebook()

    def record(kind: str, **fields: Any) -> None:
        notes(kind, **fields)
        if fields.get("event") == "exception":
            disk.held.go.set()
        disk.on &= fields.get("event") != "save_failed"

    class Broken(Ramp):
        def batch_at(self, index: int) -> Batch:
            if index == 4:
                raise RuntimeError("out of ideas")
            return super().batch_at(index)

    with fileops.watched(disk), pytest.raises(RuntimeError, match="out of ideas"):
        train(fresh(), training(tmp_path, record, feed=Broken()))
    assert len(notes.events("save_failed")) == 1
    assert notes.saved() == [(4, ["emergency"])]


class Rotting:
    """Changes a byte of the weights of one step on their way to the disk."""

    def __init__(self, step: int) -> None:
        self._name = f"step-{step:08}"

    def before(self, operation: Operation) -> None:
        if operation.kind == "rename" and operation.path.name.startswith(self._name):
            content = bytearray((operation.path / "model.safetensors").read_bytes())
            content[-1] ^= 1
            (operation.path / "model.safetensors").write_bytes(content)

    def after(self, operation: Operation) -> None:
        pass


def test_a_state_that_reads_back_differently_is_not_what_the_run_rests_on(tmp_path: Path) -> None:
    state, notes = fresh(), Notebook()
    saves = saves_of(tmp_path, notes, state, save_seconds=3600.0)
    with fileops.watched(Rotting(2)):
        for state.step in (1, 2):
            saves.start(state, {"stage": "toy"}, ["interval"])
            saves.drain()
    assert "reads back differently" in notes.events("save_failed")[0]
    assert saves.step == 1
    assert saves.overdue(), "long before the hour is over"
    state.step = 3
    saves.start(state, {"stage": "toy"}, ["interval"])
    saves.drain()
    assert (saves.step, saves.overdue()) == (3, False)
    assert steps_of(tmp_path) == [1, 3]
    saves.close()


def test_what_the_budget_does_not_allow_is_told_once(tmp_path: Path) -> None:
    notes = Notebook()
    train(fresh(), training(tmp_path, notes, cadence=cadence(save_steps=2), policy=Policy(budget=100)))
    assert len(notes.events("over_budget")) == 1
    assert "more than the disk budget allows" in notes.events("over_budget")[0]
    assert steps_of(tmp_path) == [8, 10]


# the journal comes first


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "journal")
    yield journal
    journal.close()


def test_no_state_is_saved_whose_history_is_not(tmp_path: Path, journal: Journal) -> None:
    disk = Refusing(tmp_path / "journal", ["write"], torn=9)
    notes = Notebook()

    def record(kind: str, **fields: Any) -> None:
        notes(kind, **fields)
        journal.append(kind, **fields)
        if kind == "step" and fields["step"] == 7:
            disk.on = False

    options: dict[str, Any] = {"cadence": cadence(save_steps=2, background=False), "sync": journal.commit}
    with fileops.watched(disk):
        train(fresh(), training(tmp_path, record, **options))
    assert "00001.jsonl can not be written" in notes.events("save_failed")[0]
    assert [step for step, _ in notes.saved()] == [7, 8, 10], "not before the journal could be written"
    journal.commit()
    assert [known["kind"] for known in read(tmp_path / "journal")] == [record["kind"] for record in notes.records]


class Order:
    """What is synced and renamed, by the top folder it is in."""

    def __init__(self, root: Path) -> None:
        self.seen: list[tuple[str, str]] = []
        self._root = root

    def before(self, operation: Operation) -> None:
        pass

    def after(self, operation: Operation) -> None:
        if operation.kind in ("sync", "rename"):
            self.seen.append((operation.kind, operation.path.relative_to(self._root).parts[0]))


def test_the_journal_is_durable_before_the_state_and_again_before_an_older_one_goes(
    tmp_path: Path, journal: Journal
) -> None:
    order = Order(tmp_path)
    options: dict[str, Any] = {"cadence": cadence(save_steps=2, background=False), "policy": Policy(newest=2)}
    with fileops.watched(order):
        train(fresh(), training(tmp_path / "toy", journal.append, sync=journal.commit, total_steps=6, **options))
    renames = [index for index, seen in enumerate(order.seen) if seen == ("rename", "toy")]
    assert len(renames) == 4, "three saves, the third of which lets the first one go"
    tensors_and_manifest = [("sync", "toy")] * 3
    for index in renames[:3]:
        assert order.seen[index - 4 : index] == [("sync", "journal"), *tensors_and_manifest]
    assert order.seen[renames[3] - 1] == ("sync", "toy"), "the pointer"
    assert ("sync", "journal") in order.seen[renames[2] : renames[3]]
