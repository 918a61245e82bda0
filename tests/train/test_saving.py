"""Saving beside the training: the loop goes on, a failure is told and tried again, nothing is called saved early."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.base.records import Score
from holdfast.disk import fileops
from holdfast.disk.fileops import Operation
from holdfast.train import due, saving
from holdfast.train.loop import train
from holdfast.train.saving import Snapshot
from holdfast.train.state import RunState
from holdfast.vault.store import Policy, Vault
from holdfast.vault.verify import verify
from tests.disk.watchers import Holding, Refusing
from tests.train.toy import Notebook, Ramp, cadence, fresh, resumed, same, saves_of, score, steps_of, training, weights

# what is saved


def test_a_snapshot_is_apart_from_the_state_and_takes_its_memory_once() -> None:
    state, snapshot = fresh(), Snapshot()
    first = snapshot.take(state.tensors())
    weights(state).fill_(3.0)
    assert torch.equal(first["model"]["table"], torch.zeros(7, 7))
    second = snapshot.take(state.tensors())
    assert torch.equal(second["model"]["table"], torch.full((7, 7), 3.0))
    assert second["model"]["table"].data_ptr() == first["model"]["table"].data_ptr()
    odd = {"model": {"table": torch.arange(6, dtype=torch.int64).reshape(2, 3).T, "new": torch.ones(1).bfloat16()}}
    taken = snapshot.take(odd)
    assert all(torch.equal(taken["model"][name], odd["model"][name]) for name in odd["model"])
    assert taken["model"]["table"].dtype == torch.int64


def test_training_goes_on_while_a_state_is_saved_and_does_not_reach_into_it(tmp_path: Path) -> None:
    state, disk, then = fresh(), Holding(tmp_path), []
    notes = Notebook(step_5=lambda: then.append(weights(state).clone()), step_8=disk.go.set)
    with fileops.watched(disk):
        train(state, training(tmp_path, notes, cadence=cadence(save_steps=5)))
    assert disk.reached.is_set()
    told = notes.before("checkpoint", 5)
    assert [record["step"] for record in told if record["kind"] == "step"][:8] == list(range(1, 9))
    vault = Vault(tmp_path)
    saved = vault.checkpoints()[0]
    assert torch.equal(vault.load(saved)["model"]["table"], then[0])
    assert not torch.equal(weights(state), then[0])
    assert (saved.manifest.step, saved.manifest.position, dict(saved.manifest.optimizer)) == (5, 5, {"steps": 5})


def test_it_is_called_saved_when_it_is_there_and_not_before(tmp_path: Path) -> None:
    notes = Notebook()

    def record(kind: str, **fields: Any) -> None:
        notes(kind, **fields)
        if kind == "checkpoint":
            there = {found.path.name: verify(found) for found in Vault(tmp_path).checkpoints()}
            assert there[fields["path"]] is None
            assert fields["seconds"] * 1000 >= fields["blocked_ms"] > 0

    train(fresh(), training(tmp_path, record))
    assert [step for step, _ in notes.saved()] == [4, 8, 10]


def test_one_save_waits_for_the_other(tmp_path: Path) -> None:
    disk = Holding(tmp_path)
    notes = Notebook(step_4=lambda: threading.Timer(0.2, disk.go.set).start())
    with fileops.watched(disk):
        train(fresh(), training(tmp_path, notes, cadence=cadence(save_steps=2), policy=Policy(newest=9)))
    assert notes.saved() == [(step, ["interval"]) for step in (2, 4, 6, 8)] + [(10, ["stage_end"])]
    assert steps_of(tmp_path) == [2, 4, 6, 8, 10]


class Steps:
    """Which step the state was at whenever something happened to a disk."""

    def __init__(self, state: RunState) -> None:
        self.seen: set[int] = set()
        self._state = state

    def before(self, operation: Operation) -> None:
        self.seen.add(self._state.step)

    def after(self, operation: Operation) -> None:
        pass


def test_where_memory_is_short_training_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "SPARE_MEMORY", 1e15)
    state, notes = fresh(), Notebook()
    disk = Steps(state)
    with fileops.watched(disk):
        saves = saves_of(tmp_path, notes, state)
        for state.step in range(1, 6):
            if state.step == 2:
                saves.start(state, {"stage": "toy"}, ["interval"])
    assert disk.seen == {2}
    assert steps_of(tmp_path) == [2]
    assert notes.events("note") == ["toy: memory is short, so training waits while it is saved"]
    saves.close()


def test_saving_beside_the_training_can_be_turned_off(tmp_path: Path) -> None:
    notes = Notebook()
    train(fresh(), training(tmp_path, notes, cadence=cadence(save_steps=4, background=False)))
    assert [step for step, _ in notes.saved()] == [4, 8, 10]
    assert notes.of("event") == []


# when it is saved


@pytest.fixture
def all_the_time(monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds between two saves that may take any share of the time."""
    monkeypatch.setattr(saving, "LARGEST_SHARE", 1e15)
    return 1e-9


def test_the_clock_asks_for_a_save_unless_one_is_under_way(tmp_path: Path, all_the_time: float) -> None:
    state, notes, disk = fresh(), Notebook(), Holding(tmp_path)
    never, always = (saves_of(tmp_path, notes, state, save_seconds=each) for each in (None, all_the_time))
    time.sleep(0.001)
    assert not never.overdue()
    assert always.overdue()
    state.step = 1
    with fileops.watched(disk):
        always.start(state, {"stage": "toy"}, ["interval"])
        assert not always.overdue()
        assert always.step == 1
        disk.go.set()
        always.drain()
    assert always.overdue()
    for saves in (never, always):
        saves.close()


def test_a_state_that_is_yet_to_be_read_back_is_not_saved_again(tmp_path: Path, all_the_time: float) -> None:
    state, notes, disk = fresh(), Notebook(), Holding(tmp_path, ["replace"])  # of the pointers, after the commit
    saves = saves_of(tmp_path, notes, state, save_seconds=all_the_time, background=False)
    state.step = 1
    with fileops.watched(disk):
        saves.start(state, {"stage": "toy"}, ["interval"])
        saves.look(state)
        assert notes.saved() == [(1, ["interval"])]
        assert (saves.step, saves.overdue()) == (1, False)
        disk.go.set()
        saves.drain()
    saves.close()


def test_saves_by_the_clock(tmp_path: Path, all_the_time: float) -> None:
    notes = Notebook()
    train(fresh(), training(tmp_path, notes, cadence=cadence(save_seconds=all_the_time)))
    assert notes.saved()[0] == (1, ["interval"])
    assert notes.saved()[-1] == (10, ["stage_end"])


def test_where_waiting_takes_too_much_of_the_time_saves_by_the_clock_become_rarer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "LARGEST_SHARE", 1e-9)
    state, notes = fresh(), Notebook()
    saves = saves_of(tmp_path, notes, state, save_seconds=0.0, background=False)
    assert saves.overdue()
    state.step = 1
    saves.start(state, {"stage": "toy"}, ["interval"])
    saves.drain()
    assert not saves.overdue()
    assert len(notes.events("note")) == 1
    assert "so there is one every" in notes.events("note")[0]
    saves.close()


def test_what_is_at_risk_counts_from_the_state_that_is_saved(tmp_path: Path) -> None:
    state, disk = fresh(), Holding(tmp_path)
    saves = saves_of(tmp_path, Notebook(), state)
    time.sleep(0.05)
    asked = time.monotonic()
    state.step = 1
    with fileops.watched(disk):
        saves.start(state, {"stage": "toy"}, ["interval"])
        assert saves.at_risk() >= 0.05, "it is not there yet"
        disk.go.set()
        saves.drain()
    assert saves.at_risk() <= time.monotonic() - asked
    saves.close()


def test_before_a_look_at_the_model_its_state_is_saved_and_after_a_kill_the_look_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "EVALUATION_RISK", 0.0)
    every_third = {"cadence": cadence(evaluate_steps=3)}
    unbroken = fresh()
    train(unbroken, training(tmp_path / "unbroken", Notebook(), **every_third))

    def killed() -> list[Score]:
        raise KeyboardInterrupt

    notes = Notebook()
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), training(tmp_path / "broken", notes, evaluate=killed, **every_third))
    assert steps_of(tmp_path / "broken") == [3]
    state, known = resumed(tmp_path / "broken")
    again = Notebook()
    train(state, training(tmp_path / "broken", again, **every_third, **known))
    assert [record["step"] for record in again.of("eval")] == [3, 6, 9, 10]
    assert same(state, unbroken)
    vault = Vault(tmp_path / "broken")
    assert vault.checkpoints()[0].manifest.tags == ("before_evaluation",)
    assert vault.marks()["step-00000003.i01"] == {"best": 2.0}
    assert json.loads((vault.root / "best.json").read_text())["score"] == 2.0
    best = vault.newest("best")
    assert best is not None
    assert best.step == 3


# what was found out about it


def healthy(folder: Path) -> list[str]:
    return [name for name, tags in Vault(folder).marks().items() if "healthy" in tags]


def test_a_state_that_sound_steps_followed_is_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "HEALTHY_STEPS", 3)
    nan = {"evaluate": lambda: score(float("nan"))}  # so that the end is not healthy for another reason
    options: dict[str, Any] = {"cadence": cadence(save_steps=2), "policy": Policy(newest=9), **nan}
    train(fresh(), training(tmp_path / "sound", Notebook(), **options))
    assert healthy(tmp_path / "sound") == ["step-00000002.i01", "step-00000004.i01", "step-00000006.i01"]
    train(fresh(), training(tmp_path / "skipped", Notebook(), feed=Ramp(empty=[5]), **options))
    assert healthy(tmp_path / "skipped") == ["step-00000002.i01", "step-00000006.i01"], "a skip came after step 4"


def test_a_state_that_was_gone_on_from_proves_itself_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "HEALTHY_STEPS", 3)
    options: dict[str, Any] = {"cadence": cadence(save_steps=4), "evaluate": lambda: score(float("nan"))}
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), training(tmp_path, Notebook(step_5=interrupt), **options))
    assert healthy(tmp_path) == []
    state, known = resumed(tmp_path)
    train(state, training(tmp_path, Notebook(), **options, **known))
    assert healthy(tmp_path) == ["step-00000004.i01"]


def interrupt() -> None:
    raise KeyboardInterrupt


def test_the_end_is_healthy_when_its_score_is_a_number(tmp_path: Path) -> None:
    train(fresh(), training(tmp_path, Notebook()))
    assert healthy(tmp_path) == ["step-00000010.i01"]


def test_a_mark_that_is_lost_is_told_and_costs_no_training(tmp_path: Path) -> None:
    notes = Notebook()
    with fileops.watched(Refusing(tmp_path, ["replace"])):
        train(fresh(), training(tmp_path, notes, total_steps=2))
    assert notes.saved() == [(2, ["stage_end"])]
    assert notes.events("save_failed") == []
    lost = notes.events("note")
    assert len(lost) == 2, "best and healthy"
    assert "a mark is lost" in lost[0]
