"""Going back within a run: to the right checkpoint, on the disk before the next step, wherever it is broken."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DiskFault, Diverged
from holdfast.disk import fileops
from holdfast.disk.injection import Injected
from holdfast.journal.journal import Journal, lineage, read
from holdfast.journal.sinks import Fanout
from holdfast.stages.recipe import resolve
from holdfast.stages.resuming.healing import WENT_BACK, go_back
from holdfast.stages.run import Run
from holdfast.train.loop import Back, train
from holdfast.train.sabotage import Sabotage
from holdfast.train.saving import HEALTHY_STEPS
from holdfast.train.signals import StopFlag
from holdfast.train.state import RunState
from holdfast.vault.store import Policy, Vault
from tests.train.toy import cadence, fresh, same, training

STEPS = 130
HARM = 100  # first of the batches that are broken, from 1; six in a row are one too many


def run_in(folder: Path) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    recipe = resolve("demo", ["pretrain.steps=5", "sft.steps=5"]).recipe
    return Run(folder, recipe, Journal.open(folder / "journal"), Fanout([]), StopFlag(), True, time.monotonic())


def teach(run: Run, state: RunState, **changes: Any) -> Back | None:
    vault = Vault(run.dir / "toy", run.journal.incarnation)
    often = {"cadence": cadence(save_steps=10), "total_steps": STEPS, "multiplier": lambda step: 0.1,
             "policy": Policy(probation=HEALTHY_STEPS)}  # fmt: skip
    faults = [Injected("nan", HARM + number) for number in range(6)]
    known = {"vault": vault, "sabotage": Sabotage(faults), "sync": run.journal.commit} | often | changes
    return train(state, training(run.dir / "toy", run.record, **known))


def harmed(folder: Path) -> tuple[Run, RunState, Back]:
    """A run that has to go back."""
    run, state = run_in(folder), fresh()
    back = teach(run, state)
    assert back is not None
    return run, state, back


def line(folder: Path) -> list[dict[str, Any]]:
    return [each for each in lineage(read(folder / "journal")) if each["kind"] == "step"]


def test_it_goes_back_to_what_has_proved_healthy_and_passes_over_what_did_the_harm(tmp_path: Path) -> None:
    run, state, back = harmed(tmp_path)
    assert (back.step, back.position) == (HARM - 1, HARM + 4)
    vault, checkpoint = go_back(run, state, Vault(tmp_path / "toy", 1), back)
    there = checkpoint.step
    assert (state.step, state.position) == (there, there)
    assert 0 < there <= HARM - 1 - HEALTHY_STEPS, "which of those depends on when saves in the background were done"
    assert "healthy" in vault.marks()[checkpoint.path.name], "as what it was taken from"
    assert checkpoint.manifest.tags == (WENT_BACK,)
    assert checkpoint.path.name.endswith(".i02")
    assert teach(run, state, vault=vault) is None
    steps = line(tmp_path)
    assert [each["step"] for each in steps] == list(range(1, STEPS + 1))
    places = [each["position"] for each in steps]
    assert places == [*range(HARM - 2), *range(HARM + 5, STEPS + 7)], "from just before the first broken batch"
    assert {each["lr_factor"] for each in steps[there:]} == {0.5}
    assert {each["lr_factor"] for each in steps[:there]} == {1.0}


def test_what_was_written_down_makes_the_same_state_again(tmp_path: Path) -> None:
    run, state, back = harmed(tmp_path / "healed")
    vault, _ = go_back(run, state, Vault(run.dir / "toy", 1), back)
    teach(run, state, vault=vault)
    again, other = fresh(), run_in(tmp_path / "again")
    known = {each["step"]: each for each in line(tmp_path / "healed")}
    assert teach(other, again, followed=known, sabotage=Sabotage()) is None
    again.guard, again.position, again.best = state.guard, state.position, state.best
    assert same(state, again)


def test_without_a_healthy_one_it_takes_the_newest_from_before_the_harm(tmp_path: Path) -> None:
    run, state = run_in(tmp_path), fresh()
    faults = Sabotage([Injected("nan", 33 + number) for number in range(6)])
    back = teach(run, state, sabotage=faults, total_steps=60)
    assert back is not None
    assert go_back(run, state, Vault(tmp_path / "toy", 1), back)[1].step == 30


def test_with_nothing_to_go_back_to_it_halts(tmp_path: Path) -> None:
    run, state = run_in(tmp_path), fresh()
    back = teach(run, state, sabotage=Sabotage([Injected("nan", 3 + number) for number in range(6)]))
    assert back is not None
    with pytest.raises(Diverged, match="no checkpoint is older"):
        go_back(run, state, Vault(tmp_path / "toy", 1), back)


def test_three_times_is_enough(tmp_path: Path) -> None:
    """Everything from a place on is broken: whatever is passed over, it does not help."""
    run, state = run_in(tmp_path), fresh()
    vault, faults = Vault(tmp_path / "toy", 1), Sabotage([Injected("nan", HARM + number) for number in range(200)])
    for _ in range(3):
        back = teach(run, state, vault=vault, sabotage=faults)
        assert back is not None
        vault, _ = go_back(run, state, vault, back)
    with pytest.raises(Diverged, match="went back 3 times and 6 steps in a row could not be used"):
        teach(run, state, vault=vault, sabotage=faults)
    factors = sorted({each["lr_factor"] for each in line(tmp_path)})
    assert factors[0] == 0.125, "each time more carefully"


class Broken:
    """The n-th file operation fails, and none after it works either: the disk is gone."""

    def __init__(self, number: int) -> None:
        self.left = number

    def before(self, operation: fileops.Operation) -> None:
        self.left -= 1
        if self.left <= 0:
            raise OSError(5, "the disk is gone")

    def after(self, operation: fileops.Operation) -> None:
        pass


@pytest.mark.slow
def test_wherever_going_back_is_broken_off_the_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    run, state, back = harmed(tmp_path / "unbroken")
    vault, _ = go_back(run, state, Vault(run.dir / "toy", 1), back)
    teach(run, state, vault=vault)
    number, finished = 0, False
    while not finished:
        number += 1
        run, other, back = harmed(tmp_path / str(number))
        try:
            with fileops.watched(Broken(number)):
                go_back(run, other, Vault(run.dir / "toy", 1), back)
            finished = True
        except (DiskFault, OSError):
            pass
        finally:
            run.journal.close()
        again, resumed = run_in(run.dir), fresh()
        vault = Vault(run.dir / "toy", again.journal.incarnation)
        newest = vault.newest_valid()
        assert newest is not None
        resumed.restore(newest.manifest, vault.load(newest))
        again.record("event", event="resume", stage="toy", step=resumed.step, position=resumed.position)
        while (back := teach(again, resumed, vault=vault)) is not None:
            vault, _ = go_back(again, resumed, vault, back)
        assert resumed.step == STEPS
        assert [each["step"] for each in line(run.dir)] == list(range(1, STEPS + 1))
        assert [each["position"] for each in line(run.dir)] == [
            each["position"] for each in line(tmp_path / "unbroken")
        ]
    assert number > 10
