"""The one training loop, for every stage that trains. It calls down and gets values back; nothing calls up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NoReturn

from holdfast.base.faults import Diverged, Fault, Stopped
from holdfast.base.records import Report, Score
from holdfast.disk import injection
from holdfast.feed.feed import Feed
from holdfast.train.guard import Apply, Skip, Stop, follow, judge
from holdfast.train.saving import Cadence, Record, Saves
from holdfast.train.signals import StopFlag
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients
from holdfast.train.sync import Alone, Ranks
from holdfast.vault.store import Checkpoint, Policy, Vault

AUDITED = ("loss", "grad_norm", "learning_rate", "tokens")  # what a step that is made again must have the same
EVALUATION_RISK = 10.0  # seconds of work that may be at risk while something else than training goes on


@dataclass(frozen=True, slots=True)
class Training:
    """All that a stage hands to the loop: where batches come from, how long, how fast, and what to call when due.

    multiplier:   step -> factor on the learning rates, a pure function of the stored horizon.
    evaluate:     measures the validation scores of the model as it stands; the first one decides what is best.
    sample:       writes a few texts with the model as it stands.
    record, sync: append to the journal (and so to everything that watches it), and make it durable.
    resumed_from: the checkpoint that `state` was read from.
    journaled:    step -> what the journal knows of it, for steps that an earlier start made and this one makes again.
    decisions:    index of a batch -> what an earlier run decided about it. Given, the guard is not asked: what has no
                  decision is applied.
    ranks:        the processes that train together; the first of them evaluates, samples, saves and records.
    """

    feed: Feed
    vault: Vault
    policy: Policy
    total_steps: int
    learning_rate: float
    multiplier: Callable[[int], float]
    clip: float | None
    cadence: Cadence
    evaluate: Callable[[], Sequence[Score]]
    sample: Callable[[], Sequence[dict[str, Any]]]
    record: Record
    sync: Callable[[], None]
    manifest: dict[str, Any]
    stop: StopFlag
    resumed_from: Checkpoint | None = None
    journaled: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    decisions: Mapping[int, Mapping[str, Any]] | None = None
    ranks: Ranks = field(default_factory=Alone)
    faults: Sequence[injection.Injected] = ()

    @property
    def leads(self) -> bool:
        """Whether this process is the one that evaluates, samples, saves and records."""
        return self.ranks.rank == 0


def train(state: RunState, training: Training) -> None:
    """Run `state` to `training.total_steps`. Raises Stopped after saving, or Diverged with the last save intact."""
    saves = Saves(training.vault, training.policy, training.cadence, training.record, training.sync, state)
    with closing(saves):
        if training.resumed_from is not None:
            saves.resumed(training.resumed_from, state)
        try:
            while state.step < training.total_steps:
                _due(state, training, saves)
                _advance(state, training, saves)
            _finish(state, training, saves)
        except (Stopped, Diverged):
            saves.drain()
            raise
        except BaseException as failure:
            _rescue(state, training, saves, failure)
            raise


def _advance(state: RunState, training: Training, saves: Saves) -> None:
    """One batch: measure, judge, and if the verdict is so, learn. Stops before it when any rank was asked to."""
    started = time.perf_counter()
    batch = training.feed.batch_at(state.position)
    poison = injection.poisoned(training.faults, state.position + 1)
    trained, stop, poisoned = training.ranks.total(batch.trained_tokens, bool(training.stop), poison)
    if stop:
        _stop(state, training, saves)
    report = gradients(state, batch, int(trained), training.ranks)
    if poisoned:  # on any rank: as a loss that is no number would be, after it was summed
        report = replace(report, loss=math.nan)
    if training.decisions is None:
        verdict, memory = judge(report, state.guard)
    else:
        verdict, memory = follow(training.decisions.get(state.position), state.guard)
    if not isinstance(verdict, Apply):  # decisions are written down before they take effect
        training.record("decision", stage=state.stage, step=state.step, verdict=type(verdict).__name__.lower(),
                        reason=verdict.reason, position=state.position, loss=report.loss)  # fmt: skip
    scale = training.multiplier(state.step)
    match verdict:
        case Apply():
            apply(state, report, scale, training.clip)
            state.step, state.tokens = state.step + 1, state.tokens + report.tokens
        case Skip():
            pass
        case Stop(reason):
            raise Diverged(
                f"{state.stage} halted at step {state.step}: {reason}",
                "the last checkpoint is sound; lower the learning rate or look at the data, then run again",
            )
    state.guard, state.position = memory, state.position + 1  # before anything can fail: what is saved is whole
    if isinstance(verdict, Apply):
        _record_step(state, training, report, scale, time.perf_counter() - started)
    injection.strike(training.faults, state.step)


def _due(state: RunState, training: Training, saves: Saves) -> None:
    """Between two steps: evaluate, sample, save, each when its time has come. Changes no maths."""
    if not training.leads:
        return
    saves.look(state)
    tags = _milestones(state, training.cadence)
    evaluate = _every(training.cadence.evaluate_steps, state.step)
    sample = _every(training.cadence.sample_steps, state.step)
    if (evaluate or sample) and state.evaluated != state.step and not training.stop:
        if saves.at_risk() >= EVALUATION_RISK:
            _save(state, training, saves, [*tags, "before_evaluation"])
        with suppress(Stopped):  # asked to stop in the middle of it: done again after the resume
            tags += _new_best(state, saves, _watch(state, training, evaluate=evaluate, sample=sample))
    if _every(training.cadence.save_steps, state.step) or saves.overdue():
        tags.append("interval")
    if tags:
        _save(state, training, saves, tags)


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
    scores = training.evaluate() if evaluate else []
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
        saves.start(state, training.manifest | state.fields(), tags)


def _save_now(state: RunState, training: Training, saves: Saves, tag: str) -> None:
    """Have the state on the disk when this returns. Raises DiskFault."""
    saves.drain()
    if state.step > saves.step:
        saves.finish(state, training.manifest | state.fields(), [tag])
    else:
        saves.mark(state.step, tag)
        saves.drain()


def _stop(state: RunState, training: Training, saves: Saves) -> NoReturn:
    if training.leads:
        _save_now(state, training, saves, "signal")
    raise Stopped(
        f"stopped by {training.stop.reason or 'another rank'} at {state.stage} step {state.step}, everything is saved",
        "run the same command again to go on from here",
    )


def _finish(state: RunState, training: Training, saves: Saves) -> None:
    """The stage's final checkpoint and the last look at the model; harmless when they exist already."""
    if not training.leads:
        return
    _save_now(state, training, saves, "stage_end")  # before the evaluation, the likelier of the two to fail
    score = _watch(state, training, evaluate=True, sample=True)
    _new_best(state, saves, score)
    if math.isfinite(score):
        saves.mark(state.step, "healthy")
    saves.drain()


def _rescue(state: RunState, training: Training, saves: Saves, failure: BaseException) -> None:
    """Something unforeseen broke between steps: keep the work if the state is whole, and let the failure go on."""
    training.record("event", event="exception", stage=state.stage, step=state.step, what=type(failure).__name__)
    if not training.leads or isinstance(failure, KeyboardInterrupt):  # the second Ctrl-C: leave at once
        return
    with suppress(Fault):  # that it could not be saved either was told by then
        saves.drain()  # what is under way may fail, and then this state is not saved
        if state.step > saves.step and not state.dirty:
            _save_now(state, training, saves, "emergency")


def _record_step(state: RunState, training: Training, report: Report, scale: float, seconds: float) -> None:
    measured = {
        "loss": report.loss,
        "learning_rate": training.learning_rate * scale,
        "grad_norm": report.grad_norm,
        "tokens": state.tokens,
    }
    training.record("step", stage=state.stage, step=state.step, total_steps=training.total_steps, **measured,
                    step_ms=seconds * 1000, tokens_per_second=report.tokens / seconds, verdict="apply")  # fmt: skip
    _audit(state, training, measured)


def _audit(state: RunState, training: Training, made: Mapping[str, Any]) -> None:
    """Compare a step that an earlier start made already with what the journal says of it, bit for bit."""
    known = training.journaled.pop(state.step, None)
    if known is None:
        return
    if differs := [name for name in AUDITED if made[name] != known[name]]:
        training.journaled.clear()
        told = ", ".join(f"{name} {made[name]!r} instead of {known[name]!r}" for name in differs)
        text = (
            f"{state.stage}: step {state.step} came out differently than before the interruption: {told}; "
            "the run is no longer exact to the bit"
        )
        training.record("event", event="audit_failed", stage=state.stage, step=state.step, text=text)
    elif not training.journaled:
        text = f"{state.stage}: the steps that were made again came out the same to the bit"
        training.record("event", event="audited", stage=state.stage, step=state.step, text=text)
