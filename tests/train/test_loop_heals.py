"""The loop on a small model: what it does about steps that can not be right, and about memory that runs out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from holdfast.base.faults import Diverged, Fault
from holdfast.disk.injection import Injected
from holdfast.train.guard import FIRST_SCALE, GuardMemory
from holdfast.train.loop import Back, train
from holdfast.train.sabotage import Sabotage
from holdfast.train.settings import GuardSettings
from holdfast.vault.store import Vault
from holdfast.vault.verify import digest
from tests.train.toy import ROWS, Momentum, Notebook, Ramp, cadence, fresh, resumed, same, score, training, weights


def test_weights_do_not_move_in_a_skipped_step_even_when_the_loss_is_not_a_number(tmp_path: Path) -> None:
    state = fresh()
    weights(state).fill_(math.nan)
    back = train(state, training(tmp_path, Notebook()))
    assert isinstance(back, Back)
    assert (back.tag, back.step, back.position) == ("healthy", 0, 5)
    assert isinstance(state.optimizer, Momentum)
    assert state.optimizer.steps == 0
    assert state.guard.skipped == 5
    assert Vault(tmp_path).checkpoints() == [], "a state that is not finite is never saved"


def test_where_going_back_is_not_allowed_it_halts(tmp_path: Path) -> None:
    state = fresh()
    weights(state).fill_(math.nan)
    with pytest.raises(Diverged, match="3 steps in a row could not be used: the loss is not finite"):
        train(state, training(tmp_path, Notebook(), rules=GuardSettings(max_rollbacks=0, max_skips=2)))


@pytest.mark.parametrize("name", ["nan", "inf", "nan-grad"])
def test_what_is_not_finite_never_reaches_the_state(tmp_path: Path, name: str) -> None:
    notes, state = Notebook(), fresh()
    faults = [Injected(name, 3), Injected(name, 4), Injected(name, 9)]
    assert train(state, training(tmp_path, notes, sabotage=Sabotage(faults))) is None
    assert [(each["verdict"], each["position"]) for each in notes.of("decision")] == [
        ("skip", 2), ("skip", 3), ("skip", 8)
    ]  # fmt: skip
    assert (state.step, state.position) == (10, 13)
    assert all(bool(each.isfinite().all()) for named in state.tensors().values() for each in named.values())
    assert all(math.isfinite(value) for value in (*state.guard.losses, *state.guard.norms))
    plain, left_out = fresh(), Notebook()
    train(plain, training(tmp_path / "plain", left_out, feed=Ramp(empty=[2, 3, 8])))
    assert same(state, plain), "as if these batches had held nothing"


@pytest.mark.parametrize("ended", [1, 2, 3])
def test_memory_that_runs_out_halves_the_parts_and_loses_nothing(tmp_path: Path, ended: int) -> None:
    """One update per step, no batch left out, and the bits of a run that was planned with that size."""
    notes, state = Notebook(), fresh()
    train(state, training(tmp_path, notes, sabotage=Sabotage([Injected("oom", ended)])))
    assert [(each["verdict"], each["micro_batch_rows"]) for each in notes.of("decision")] == [("shrink", ROWS // 2)]
    assert [record["step"] for record in notes.of("step")] == list(range(1, 11))
    assert state.position == 10
    sizes = [record["micro_batch_rows"] for record in notes.of("step")]
    assert sizes == [ROWS] * (ended - 1) + [ROWS // 2] * (11 - ended)
    planned, known = fresh(), {record["step"]: record for record in notes.of("step")}
    train(planned, training(tmp_path / "planned", Notebook(), followed=known))
    assert digest(planned.tensors()["model"]) == digest(state.tensors()["model"])
    if ended == 1:
        small = fresh(micro=ROWS // 2)
        train(small, training(tmp_path / "small", Notebook()))
        assert digest(small.tensors()["model"]) == digest(state.tensors()["model"])
    again, _ = resumed(tmp_path)
    assert again.micro_batch_rows == ROWS // 2, "remembered"


def test_what_does_not_fit_row_by_row_is_told(tmp_path: Path) -> None:
    faults = [Injected("oom", 2), Injected("oom", 2, rank=1), Injected("oom", 2, rank=2), Injected("oom", 2, rank=3)]
    with pytest.raises(Fault, match="step 2 does not fit into memory, not even one row at a time"):
        train(fresh(micro=1), training(tmp_path, Notebook(), sabotage=Sabotage(faults)))


def test_larger_parts_are_tried_again_only_where_that_was_asked_for(tmp_path: Path) -> None:
    notes, state = Notebook(), fresh()
    rules = GuardSettings(grow_steps=4)
    train(state, training(tmp_path, notes, sabotage=Sabotage([Injected("oom", 2)]), rules=rules))
    assert [(each["verdict"], each["step"]) for each in notes.of("decision")] == [("shrink", 1), ("grow", 5)]
    assert state.guard.rows is None
    assert notes.of("step")[-1]["micro_batch_rows"] == ROWS


def test_the_rate_falls_when_validation_rises_and_a_stage_ends_when_it_stands_still(tmp_path: Path) -> None:
    scores = iter([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    notes, state = Notebook(), fresh()
    rules = GuardSettings(on_trend="lower_lr", trend_checks=2, patience=4)
    train(state, training(tmp_path, notes, cadence=cadence(evaluate_steps=1), evaluate=lambda: score(next(scores)),
                          rules=rules))  # fmt: skip
    assert [(each["verdict"], each["step"]) for each in notes.of("decision")] == [("lower_lr", 3), ("end", 5)]
    rates = [record["lr_factor"] for record in notes.of("step")]
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5]
    assert state.step == 5
    assert notes.saved()[-1] == (5, ["stage_end"])


def test_a_rising_trend_may_lead_back_to_the_best(tmp_path: Path) -> None:
    scores = iter([1.0, 2.0, 2.0])
    rules = GuardSettings(on_trend="rollback", trend_checks=2)
    notes = Notebook()
    back = train(fresh(), training(tmp_path, notes, cadence=cadence(evaluate_steps=2), rules=rules,
                                   evaluate=lambda: score(next(scores))))  # fmt: skip
    assert isinstance(back, Back)
    assert (back.tag, back.step) == ("best", 6)
    assert notes.of("decision")[-1]["verdict"] == "rollback"


def test_in_fp16_what_stays_out_of_range_goes_on_in_fp32(tmp_path: Path) -> None:
    notes, state = Notebook(), fresh()
    state.precision, state.guard = "fp16", GuardMemory(loss_scale=FIRST_SCALE)
    faults = [Injected("nan", number) for number in (3, 4, 5)]
    assert train(state, training(tmp_path, notes, sabotage=Sabotage(faults), rules=GuardSettings(max_skips=9))) is None
    verdicts = [each["verdict"] for each in notes.of("decision")]
    assert verdicts == [*[*["rescale"] * 4, "skip"] * 2, *["rescale"] * 4, "retype", "skip"]
    formats = [(record["precision"], record["loss_scale"]) for record in notes.of("step")]
    assert formats == [("fp16", FIRST_SCALE)] * 2 + [("fp32", 1.0)] * 8
    again, _ = resumed(tmp_path)
    assert (again.precision, again.guard.loss_scale) == ("fp32", 1.0), "remembered"
