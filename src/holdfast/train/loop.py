"""The one training loop, for every stage that trains. It calls down and gets values back; nothing calls up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from holdfast.base.faults import Diverged, Stopped
from holdfast.base.records import Report, Score
from holdfast.feed.feed import Feed
from holdfast.train.guard import Apply, Skip, Stop, judge
from holdfast.train.signals import StopFlag
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients
from holdfast.vault.store import Vault

Record = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Cadence:
    """When things fall due. Steps and seconds both count, whichever comes first; None never comes."""

    save_steps: int | None
    save_seconds: float | None
    evaluate_steps: int | None
    sample_steps: int | None
    keep: int


@dataclass(frozen=True, slots=True)
class Training:
    """All that a stage hands to the loop: where batches come from, how long, how fast, and what to call when due.

    multiplier: step -> factor on the learning rates, a pure function of the stored horizon.
    evaluate:   measures the validation scores of the model as it stands; the first one decides what is best.
    sample:     writes a few texts with the model as it stands.
    record:     appends to the journal (and so to everything that watches it).
    """

    feed: Feed
    vault: Vault
    total_steps: int
    learning_rate: float
    multiplier: Callable[[int], float]
    clip: float | None
    cadence: Cadence
    evaluate: Callable[[], Sequence[Score]]
    sample: Callable[[], Sequence[dict[str, Any]]]
    record: Record
    manifest: dict[str, Any]
    stop: StopFlag


def train(state: RunState, training: Training) -> None:
    """Run `state` to `training.total_steps`. Raises Stopped after saving, or Diverged with the last save intact."""
    clock = _Clock(state.step)
    try:
        while state.step < training.total_steps:
            started = time.perf_counter()
            batch = training.feed.batch_at(state.position)
            report = gradients(state, batch)
            verdict, memory = judge(report, state.guard)
            if not isinstance(verdict, Apply):  # decisions are written down before they take effect
                training.record("decision", stage=state.stage, step=state.step, verdict=type(verdict).__name__.lower(),
                                reason=verdict.reason, position=state.position, loss=report.loss)  # fmt: skip
            match verdict:
                case Apply():
                    scale = training.multiplier(state.step)
                    apply(state, report, scale, training.clip)
                    _advance(state, report)
                    _record_step(state, training, report, scale, time.perf_counter() - started)
                case Skip():
                    pass
                case Stop(reason):
                    raise Diverged(
                        f"{state.stage} halted at step {state.step}: {reason}",
                        "the last checkpoint is sound; lower the learning rate or look at the data, then run again",
                    )
            state.guard = memory
            state.position += 1
            _due(state, training, clock)
    except (Stopped, Diverged):
        raise
    except BaseException as failure:
        _rescue(state, training, clock, failure)
        raise
    finish(state, training)


def finish(state: RunState, training: Training) -> None:
    """The last evaluation and the stage's final checkpoint; harmless when they exist already."""
    _save(state, training, ["stage_end"])  # before the evaluation, which is the likelier of the two to fail
    _evaluate(state, training)
    _sample(state, training)


@dataclass(slots=True)
class _Clock:
    """When the last save was, in steps and seconds."""

    step: int
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.seconds = time.monotonic()

    def overdue(self, interval: float | None) -> bool:
        """Whether more seconds than `interval` have gone by since the last save."""
        return interval is not None and time.monotonic() - self.seconds >= interval

    def saved(self, step: int) -> None:
        """Start counting again."""
        self.step, self.seconds = step, time.monotonic()


def _advance(state: RunState, report: Report) -> None:
    state.step += 1
    state.tokens += report.tokens


def _due(state: RunState, training: Training, clock: _Clock) -> None:
    """After a step: evaluate, sample, save, stop, each when its time has come. Changes no maths."""
    if state.step >= training.total_steps:
        return  # `finish` does all of it
    cadence = training.cadence
    improved = _every(cadence.evaluate_steps, state.step) and _evaluate(state, training)
    if _every(cadence.sample_steps, state.step):
        _sample(state, training)
    reasons = {
        "best": improved,
        "interval": _every(cadence.save_steps, state.step) or clock.overdue(cadence.save_seconds),
        "signal": bool(training.stop),
    }
    tags = [reason for reason, holds in reasons.items() if holds]
    if tags and state.step > clock.step:
        _save(state, training, tags)
        clock.saved(state.step)
    if training.stop:
        raise Stopped(
            f"stopped by {training.stop.reason} at {state.stage} step {state.step}, everything is saved",
            "run the same command again to go on from here",
        )


def _every(interval: int | None, step: int) -> bool:
    return interval is not None and step > 0 and step % interval == 0


def _record_step(state: RunState, training: Training, report: Report, scale: float, seconds: float) -> None:
    training.record(
        "step",
        stage=state.stage,
        step=state.step,
        total_steps=training.total_steps,
        loss=report.loss,
        learning_rate=training.learning_rate * scale,
        grad_norm=report.grad_norm,
        tokens=state.tokens,
        step_ms=seconds * 1000,
        tokens_per_second=report.tokens / seconds,
        verdict="apply",
    )


def _evaluate(state: RunState, training: Training) -> bool:
    """Measure and write down the scores; True when the first of them is the best so far."""
    scores = training.evaluate()
    for score in scores:
        training.record("eval", stage=state.stage, step=state.step, **_score_fields(score))
    if not scores or (state.best is not None and scores[0].value >= state.best):
        return False
    state.best = scores[0].value
    return True


def _score_fields(score: Score) -> dict[str, Any]:
    return {key: value for key, value in asdict(score).items() if key not in ("stage", "step")}


def _sample(state: RunState, training: Training) -> None:
    for sample in training.sample():
        training.record("sample", stage=state.stage, step=state.step, **sample)


def _save(state: RunState, training: Training, tags: list[str]) -> None:
    started = time.perf_counter()
    checkpoint = training.vault.save(
        state.step, state.tensors(), training.manifest | state.fields(), tags, keep=training.cadence.keep
    )
    training.record("checkpoint", stage=state.stage, step=state.step, path=checkpoint.path.name, tags=tags,
                    seconds=time.perf_counter() - started)  # fmt: skip


def _rescue(state: RunState, training: Training, clock: _Clock, failure: BaseException) -> None:
    """Something unforeseen broke between steps: keep the work if the state is whole, and let the failure go on."""
    training.record("event", event="exception", stage=state.stage, step=state.step, what=type(failure).__name__)
    if not state.dirty and state.step > clock.step:
        _save(state, training, ["emergency"])
