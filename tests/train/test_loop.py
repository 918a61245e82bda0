"""The loop on a model small enough to follow: decisions, evaluations, resumes, stops, failures."""

from __future__ import annotations

import math
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.base.faults import Diverged, Fault, Stopped
from holdfast.base.records import Batch, Score
from holdfast.disk.injection import Injected
from holdfast.train.loop import train
from holdfast.train.sabotage import Sabotage
from holdfast.train.signals import StopFlag, stop_on_signals
from holdfast.train.step import gradients
from holdfast.train.sync import Alone
from holdfast.vault.manifest import Manifest
from holdfast.vault.store import Vault
from tests.train.toy import (
    LENGTH,
    ROWS,
    VOCAB,
    Momentum,
    Notebook,
    Ramp,
    cadence,
    fresh,
    resumed,
    same,
    score,
    training,
    weights,
)


def manifests(folder: Path) -> list[Manifest]:
    return [checkpoint.manifest for checkpoint in Vault(folder).checkpoints()]


def test_it_learns_saves_evaluates_and_samples(tmp_path: Path) -> None:
    notes, state = Notebook(), fresh()
    train(state, training(tmp_path, notes))
    steps = notes.of("step")
    assert [record["step"] for record in steps] == list(range(1, 11))
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[0]["loss"] == pytest.approx(math.log(VOCAB), rel=1e-5)
    assert notes.saved() == [(4, ["interval"]), (8, ["interval"]), (10, ["stage_end"])]
    assert {record["kind"] for record in notes.records} == {"step", "checkpoint", "eval", "sample"}
    assert state.tokens == 10 * ROWS * LENGTH


def test_micro_batches_give_the_same_gradient() -> None:
    whole, parts = fresh(), fresh(micro=1)
    batch = Ramp().batch_at(1)
    reports = [gradients(state, batch) for state in (whole, parts)]
    assert reports[0].loss == pytest.approx(reports[1].loss, rel=1e-6)
    assert reports[0].grad_norm == pytest.approx(reports[1].grad_norm, rel=1e-5)


def test_a_batch_with_nothing_to_learn_is_skipped_and_no_step_is_lost(tmp_path: Path) -> None:
    notes, feed, state = Notebook(), Ramp(empty=[2, 5]), fresh()
    train(state, training(tmp_path, notes, feed=feed))
    assert feed.asked == list(range(12))
    assert (state.step, state.position, state.guard.skipped) == (10, 12, 2)
    assert [(record["verdict"], record["position"]) for record in notes.of("decision")] == [("skip", 2), ("skip", 5)]


def test_a_run_that_diverges_keeps_the_save_that_was_under_way(tmp_path: Path) -> None:
    notes = Notebook()
    with pytest.raises(Diverged):
        train(fresh(), training(tmp_path, notes, feed=Ramp(empty=range(4, 30))))
    assert notes.saved() == [(4, ["interval"])]


@pytest.mark.parametrize("stop_at", range(1, 10))
def test_stopped_anywhere_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, stop_at: int) -> None:
    often = {"feed": Ramp(empty=[0, 3, 4, 9]), "cadence": cadence(save_steps=4, evaluate_steps=3, sample_steps=2)}
    unbroken = fresh()
    train(unbroken, training(tmp_path / "unbroken", Notebook(), **often))

    stop = StopFlag()
    notes = Notebook(**{f"step_{stop_at}": lambda: stop.ask("SIGTERM")})
    with pytest.raises(Stopped, match=f"toy step {stop_at}, everything is saved"):
        train(fresh(), training(tmp_path / "broken", notes, stop=stop, **often))
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("vault")], "the save is over when the loop is"

    state, known = resumed(tmp_path / "broken")
    assert state.step == stop_at
    again = Notebook()
    train(state, training(tmp_path / "broken", again, **often, **known))
    assert same(state, unbroken)
    assert [record["step"] for record in again.of("step")] == list(range(stop_at + 1, 11))


@pytest.mark.parametrize("name", ["term", "int", "usr1"])
def test_a_real_signal_costs_no_step(tmp_path: Path, name: str) -> None:
    with stop_on_signals() as stop, pytest.raises(Stopped, match=signal.Signals[f"SIG{name.upper()}"].name):
        train(fresh(), training(tmp_path, Notebook(), stop=stop, sabotage=Sabotage([Injected(name, 7)])))
    assert [(found.step, found.tags) for found in manifests(tmp_path)] == [(4, ("interval",)), (7, ("signal",))]


def test_a_stop_at_a_step_that_is_saved_already_is_noted_there(tmp_path: Path) -> None:
    stop, notes = StopFlag(), Notebook(step_4=lambda: stop.ask("SIGTERM"))
    with pytest.raises(Stopped):
        train(fresh(), training(tmp_path, notes, stop=stop))
    assert notes.saved() == [(4, ["interval"])]
    assert Vault(tmp_path).marks() == {"step-00000004.i01": {"signal": None}}


def test_a_stop_in_the_middle_of_an_evaluation_leaves_no_half_of_it(tmp_path: Path) -> None:
    unbroken = fresh()
    every_third = {"cadence": cadence(evaluate_steps=3, sample_steps=3)}
    train(unbroken, training(tmp_path / "unbroken", Notebook(), **every_third))

    for place in ("evaluate", "sample"):
        stop, notes = StopFlag(), Notebook()

        def asked(stop: StopFlag = stop) -> Any:
            stop.ask("SIGTERM")
            stop.check("validation")

        with pytest.raises(Stopped, match="step 3, everything is saved"):
            train(fresh(), training(tmp_path / place, notes, stop=stop, **every_third, **{place: asked}))
        assert notes.of("eval") == notes.of("sample") == [], "it comes again"
        state, known = resumed(tmp_path / place)
        assert (state.step, state.evaluated, state.best) == (3, None, None)
        again = Notebook()
        train(state, training(tmp_path / place, again, **every_third, **known))
        assert [record["step"] for record in again.of("eval")] == [3, 6, 9, 10]
        assert same(state, unbroken)


def test_who_was_asked_to_stop_does_not_begin_to_look_at_the_model(tmp_path: Path) -> None:
    stop = StopFlag()
    notes, often = Notebook(step_6=lambda: stop.ask("SIGTERM")), cadence(evaluate_steps=3, sample_steps=3)
    with pytest.raises(Stopped):
        train(fresh(), training(tmp_path, notes, stop=stop, cadence=often))
    assert [record["step"] for record in (*notes.of("eval"), *notes.of("sample"))] == [3, 3]


def test_a_stop_in_the_last_evaluation_loses_nothing(tmp_path: Path) -> None:
    stop, notes = StopFlag(), Notebook()

    def asked() -> list[Score]:
        stop.ask("SIGTERM")
        stop.check("validation")
        return score(1.0)

    with pytest.raises(Stopped, match="during validation"):
        train(fresh(), training(tmp_path, notes, stop=stop, evaluate=asked))
    state, known = resumed(tmp_path)
    again = Notebook()
    train(state, training(tmp_path, again, **known))
    assert [record["kind"] for record in again.records] == ["eval", "sample"]
    assert Vault(tmp_path).marks()["step-00000010.i01"] == {"stage_end": None, "best": 2.0, "healthy": None}


def test_the_best_score_makes_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    scores = iter([3.0, 2.0, 2.5, 1.0, 0.9])
    notes, state = Notebook(), fresh()
    train(state, training(tmp_path, notes, cadence=cadence(evaluate_steps=2), evaluate=lambda: score(next(scores))))
    assert notes.saved() == [(2, ["best"]), (4, ["best"]), (8, ["best"]), (10, ["stage_end"])]
    assert [found.best for found in manifests(tmp_path)] == [2.0, 1.0, 1.0], "before the last look; two best ones stay"
    assert Vault(tmp_path).marks()["step-00000010.i01"]["best"] == 0.9


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path, odd: float) -> None:
    scores = iter([odd, 2.0, odd, 1.0, odd])
    notes, state = Notebook(), fresh()
    train(state, training(tmp_path, notes, cadence=cadence(evaluate_steps=2), evaluate=lambda: score(next(scores))))
    assert state.best == 1.0
    assert notes.saved() == [(4, ["best"]), (8, ["best"]), (10, ["stage_end"])]
    assert Vault(tmp_path).marks() == {}, "the end is not called healthy either"


def test_milestones_come_by_steps_and_by_what_was_read(tmp_path: Path) -> None:
    notes = Notebook()
    train(
        fresh(),
        training(tmp_path, notes, feed=Ramp(empty=[1]), cadence=cadence(milestone_steps=5, milestone_batches=3.5)),
    )
    assert notes.saved() == [(3, ["epoch"]), (5, ["milestone"]), (6, ["epoch"]), (10, ["stage_end"])]
    assert [(found.step, found.weights_only) for found in Vault(tmp_path).everything()] == [
        (3, True), (5, False), (6, False), (10, False)
    ]  # fmt: skip


class Unplugged(Ramp):
    def batch_at(self, index: int) -> Batch:
        if index == 6:
            raise RuntimeError("the disk was unplugged")
        return super().batch_at(index)


def test_a_failure_between_steps_keeps_the_work(tmp_path: Path) -> None:
    notes = Notebook()
    with pytest.raises(RuntimeError, match="unplugged"):
        train(fresh(), training(tmp_path, notes, feed=Unplugged()))
    assert notes.saved() == [(4, ["interval"]), (6, ["emergency"])]
    assert [record["what"] for record in notes.of("event")] == ["RuntimeError"]


def test_whoever_watches_may_break_and_the_state_that_is_saved_is_still_whole(tmp_path: Path) -> None:
    def broken() -> None:
        raise RuntimeError("the dashboard fell over")

    with pytest.raises(RuntimeError, match="fell over"):
        train(fresh(), training(tmp_path, Notebook(step_6=broken), feed=Ramp(empty=[2])))
    unbroken = fresh()
    train(unbroken, training(tmp_path / "unbroken", Notebook(), feed=Ramp(empty=[2])))
    state, known = resumed(tmp_path)
    assert (state.step, state.position) == (6, 7)
    train(state, training(tmp_path, Notebook(), feed=Ramp(empty=[2]), **known))
    assert same(state, unbroken)


def test_a_state_in_the_middle_of_a_step_is_not_saved(tmp_path: Path) -> None:
    state = fresh()
    assert isinstance(state.optimizer, Momentum)
    whole, steps = state.optimizer.step, iter(range(10))

    def broken(lr_scale: float) -> None:
        if next(steps) == 5:
            raise RuntimeError("half of it")
        whole(lr_scale)

    state.optimizer.step = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="half of it"):
        train(state, training(tmp_path, Notebook()))
    assert [found.step for found in manifests(tmp_path)] == [4]


def test_who_insists_on_leaving_is_let_go_at_once(tmp_path: Path) -> None:
    def insist() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(fresh(), training(tmp_path, Notebook(step_6=insist)))
    assert [found.step for found in manifests(tmp_path)] == [4]


def test_a_state_that_must_not_be_saved_ends_the_run_with_the_older_ones_intact(tmp_path: Path) -> None:
    state = fresh()
    with pytest.raises(Fault, match="velocity of the optimizer is not finite"):
        train(state, training(tmp_path, Notebook(step_7=lambda: spoil(state))))
    assert [found.step for found in manifests(tmp_path)] == [4]


def spoil(state: Any) -> None:
    state.optimizer.velocity[0, 0] = math.inf
    state.optimizer.step = lambda lr_scale: None


def test_steps_that_are_made_again_are_held_to_the_journal(tmp_path: Path) -> None:
    first = Notebook()
    with pytest.raises(RuntimeError):
        train(fresh(), training(tmp_path, first, feed=Unplugged(), total_steps=10))
    known = {record["step"]: record for record in first.of("step") if record["step"] in (5, 6)}
    for changes, event in (({}, "audited"), ({5: {**known[5], "loss": 0.5}}, "audit_failed")):
        state = fresh()
        notes = Notebook()
        train(state, training(tmp_path / event, notes, journaled=known | changes))
        assert [len(notes.events(name)) for name in ("audited", "audit_failed")] == [
            int(event == "audited"), int(event == "audit_failed")
        ]  # fmt: skip
        assert [record["step"] for record in notes.of("event")] == [6 if event == "audited" else 5]


class Second(Alone):
    rank = 1


def test_only_the_first_of_several_processes_saves_and_looks(tmp_path: Path) -> None:
    notes, state = Notebook(), fresh()
    train(state, training(tmp_path, notes, ranks=Second(), cadence=cadence(save_steps=2, evaluate_steps=2)))
    assert state.step == 10
    assert {record["kind"] for record in notes.records} == {"step"}
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_shape_is_refused_before_anything_moves(tmp_path: Path) -> None:
    train(fresh(), training(tmp_path, Notebook(), total_steps=2))
    vault = Vault(tmp_path)
    checkpoint = vault.newest_valid()
    assert checkpoint is not None
    tensors = vault.load(checkpoint)
    tensors["model"]["table"] = torch.zeros(2, 2)
    other = fresh()
    with pytest.raises(Fault, match="another model"):
        other.restore(checkpoint.manifest, tensors)
    assert torch.equal(weights(other), torch.zeros(VOCAB, VOCAB))
