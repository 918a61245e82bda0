"""What falls due between two steps, and at the end: evaluate, sample, save. It changes no maths."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, NoReturn

from holdfast.base.faults import Fault, Stopped
from holdfast.base.records import Score
from holdfast.train.guard import RollBack, may_go_back
from holdfast.train.saving import Cadence, Saves
from holdfast.train.state import RunState
from holdfast.train.training import Training
from holdfast.train.trend import End, GoBack, LowerRate, Note, follow_trend

EVALUATION_RISK = 10.0  # seconds of work that may be at risk while something else than training goes on


def between_steps(state: RunState, training: Training, saves: Saves) -> RollBack | None:
    """Evaluate, sample, save, each when its time has come. Returns the wish to go back, if the validations have it."""
    if not training.leads:
        return None
    saves.look(state)
    wish, tags = None, _milestones(state, training.cadence)
    evaluate = _every(training.cadence.evaluate_steps, state.step)
    sample = _every(training.cadence.sample_steps, state.step)
    if (evaluate or sample) and state.evaluated != state.step and not training.stop:
        if saves.at_risk() >= EVALUATION_RISK:
            _save(state, training, saves, [*tags, "before_evaluation"])
        with suppress(Stopped):  # asked to stop in the middle of it: done again after the resume
            score = _watch(state, training, evaluate=evaluate, sample=sample)
            tags += _new_best(state, saves, score)
            wish = _advised(state, training, score) if evaluate else None
    if _every(training.cadence.save_steps, state.step) or saves.overdue():
        tags.append("interval")
    if tags:
        _save(state, training, saves, tags)
    return wish


def _advised(state: RunState, training: Training, score: float) -> RollBack | None:
    """Act on what the row of validations says; going back is left to the loop, which asks all ranks to."""
    advice, trend = follow_trend(score, state.guard.trend, training.rules)
    state.guard = replace(state.guard, trend=trend)
    match advice:
        case Note(reason):
            text = f"{state.stage}: {reason}"
            training.record("event", event="trend", stage=state.stage, step=state.step, text=text)
        case LowerRate(reason, factor):
            factor *= state.guard.lr_factor
            training.decide(state, "lower_lr", reason, lr_factor=factor)
            state.guard = replace(state.guard, lr_factor=factor)
        case End(reason):
            training.decide(state, "end", reason)
            state.guard = replace(state.guard, ended=True)
        case GoBack(reason) if may_go_back(state.guard, training.rules, state.step):
            return RollBack(reason, "best")
    return None


def _every(interval: int | None, step: int) -> bool:
    return interval is not None and step > 0 and step % interval == 0


def _milestones(state: RunState, cadence: Cadence) -> list[str]:
    """The tags of a state that is kept for good: every so many steps, and where an epoch was read to its end."""
    tags = ["milestone"] if _every(cadence.milestone_steps, state.step) else []
    if cadence.milestone_batches is not None and state.position > 0:
        epoch, before = (int(batches // cadence.milestone_batches) for batches in (state.position, state.position - 1))
        tags += ["epoch"] if epoch > before else []
    return tags


def _watch(state: RunState, training: Training, *, evaluate: bool, sample: bool) -> float:
    """Look at the model from outside; written down only when all of it was seen, for it is done again if it was not.

    Returns the first of the scores, infinity without any.
    """
    training.lookout.beat("evaluate")
    scores = training.evaluate() if evaluate else []
    training.lookout.beat("sample")
    texts = training.sample() if sample else []
    for score in scores:
        training.record("eval", stage=state.stage, step=state.step, **_score_fields(score))
    for text in texts:
        training.record("sample", stage=state.stage, step=state.step, **text)
    state.evaluated = state.step
    return scores[0].value if scores else math.inf


def _new_best(state: RunState, saves: Saves, score: float) -> list[str]:
    """Remember the best score. Returns the tag of a new one whose state is yet to be saved."""
    if not score < (math.inf if state.best is None else state.best):  # so that NaN is none
        return []
    state.best = score
    if state.step > saves.step:
        return ["best"]
    saves.mark(state.step, "best", score)
    return []


def _score_fields(score: Score) -> dict[str, Any]:
    return {key: value for key, value in asdict(score).items() if key not in ("stage", "step")}


def _save(state: RunState, training: Training, saves: Saves, tags: list[str]) -> None:
    if state.step > saves.step:
        training.lookout.beat("save")
        saves.start(state, training.fields(state), tags)


def _save_now(state: RunState, training: Training, saves: Saves, tag: str) -> None:
    """Have the state on the disk when this returns. Raises DiskFault."""
    training.lookout.beat("save")
    saves.drain()
    if state.step > saves.step:
        saves.finish(state, training.fields(state), [tag])
    else:
        saves.mark(state.step, tag)
        saves.drain()


def stop_here(state: RunState, training: Training, saves: Saves) -> NoReturn:
    """Save, and leave because somebody asked. Raises Stopped."""
    if training.leads:
        _save_now(state, training, saves, "signal")
    raise Stopped(
        f"stopped by {training.stop.reason or 'another rank'} at {state.stage} step {state.step}, everything is saved",
        "run the same command again to go on from here",
    )


def finish(state: RunState, training: Training, saves: Saves) -> None:
    """The stage's final checkpoint and the last look at the model; harmless when they exist already."""
    if not training.leads:
        return
    _save_now(state, training, saves, "stage_end")  # before the evaluation, the likelier of the two to fail
    score = _watch(state, training, evaluate=True, sample=True)
    _new_best(state, saves, score)
    if math.isfinite(score):
        saves.mark(state.step, "healthy")
    saves.drain()


def rescue(state: RunState, training: Training, saves: Saves, failure: BaseException) -> None:
    """Something unforeseen broke between steps: keep the work if the state is whole, and let the failure go on."""
    training.record("event", event="exception", stage=state.stage, step=state.step, what=type(failure).__name__)
    if not training.leads or isinstance(failure, KeyboardInterrupt):  # the second Ctrl-C: leave at once
        return
    with suppress(Fault):  # that it could not be saved either was told by then
        saves.drain()  # what is under way may fail, and then this state is not saved
        if state.step > saves.step and not state.dirty:
            _save_now(state, training, saves, "emergency")
