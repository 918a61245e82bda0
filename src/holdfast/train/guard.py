"""The verdict on one step of training: pure, no tensor, no file. What it remembers travels in the manifest.

The ladder: a long gradient is clipped; a step that can not be right is left out; where several in a row can not, the
weights themselves are suspect, so training goes back to a healthy checkpoint, passes over the batches at which it went
wrong and goes on more carefully; where that does not help, it halts.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from holdfast.base.records import Report
from holdfast.train.settings import GuardSettings
from holdfast.train.trend import Count, Trend

WINDOW = 128  # applied steps that say what is normal
RECENT = 16  # of them that say where the course is
FEWEST = 32  # of them before anything is called a spike
SPREAD = 1.4826  # standard deviations of a normal distribution per median absolute deviation
FLOOR = 0.01  # narrowest spread of log-loss that is believed
LOSS_MARGIN = 1.0  # nats above normal below which no loss is a spike, however calm it was before
NORM_MARGIN = math.log(20)  # the same for the gradient, which is clipped anyway: twenty times the normal length
ROLLBACK_WINDOW = 1000  # steps in which rollbacks count towards halting
FIRST_SCALE, HIGHEST_SCALE = 2.0**13, 2.0**20  # of the loss in fp16
RESCALE = 4.0
MOST_RESCALES = 4  # tries of one batch
GROW_SCALE_STEPS = 2000
HALF_SKIPS = 3  # skipped in a row in fp16 before training goes on in fp32


AtLeastOne = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, slots=True)
class GuardMemory:
    """What the guard must not forget across a restart.

    losses, norms:  log of loss and gradient norm of the latest applied steps, at most WINDOW.
    skipped:        batches left out so far; skipped_in_a_row: of them since the last applied one.
    suspect:        first batch of that row.
    rollbacks:      steps at which training went back.
    jumps:          batches that are passed over, as half-open ranges.
    lr_factor:      standing factor on the learning rate; lowered: another one, and the step until which it holds.
    rows:           most rows that memory allows at once, once it ran out; rows_since: step at which that was found.
    loss_scale:     what the loss is multiplied by in fp16; scaled_since: step of its last change.
    rescaled:       tries of the batch at hand with a lower scale.
    precision:      the number format that was changed to.
    ended:          the stage was ended before its time.
    """

    losses: tuple[float, ...] = ()
    norms: tuple[float, ...] = ()
    skipped_in_a_row: Count = 0
    skipped: Count = 0
    suspect: Count | None = None
    rollbacks: tuple[Count, ...] = ()
    jumps: tuple[tuple[Count, Count], ...] = ()
    lr_factor: Positive = 1.0
    lowered: tuple[Positive, Count] | None = None
    rows: AtLeastOne | None = None
    rows_since: Count = 0
    loss_scale: Positive = 1.0
    scaled_since: Count = 0
    rescaled: Count = 0
    precision: Literal["fp32"] | None = None
    ended: bool = False
    trend: Trend = field(default_factory=Trend)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GuardMemory:
        """The inverse of `to_dict`; what older versions did not have gets its default.

        Raises ValueError for what is no such memory.
        """
        try:
            if not {"skipped", "skipped_in_a_row"} <= data.keys():
                raise ValueError("it remembers too little")
            return _adapter().validate_json(json.dumps(dict(data)), strict=True)
        except ValueError as error:
            raise ValueError("what the guard remembers is not of this version") from error

    def factor(self, step: int) -> float:
        """What the learning rate of the update after `step` updates is multiplied by, besides its schedule."""
        return self.lr_factor * (self.lowered[0] if self.lowered is not None and step < self.lowered[1] else 1.0)

    def past_jumps(self, position: int) -> int:
        """The first batch from `position` on that is not passed over."""
        for first, behind in sorted(self.jumps):
            if first <= position < behind:
                position = behind
        return position


@cache
def _adapter() -> TypeAdapter[GuardMemory]:
    return TypeAdapter(GuardMemory)


@dataclass(frozen=True, slots=True)
class Apply:
    """The step is sound: clip and let the optimizer move the weights."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave the weights alone and take the next batch; a branch, because 0 * NaN is NaN."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rescale:
    """Take the same batch again: the gradient left the range of fp16, so the loss is multiplied by less."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retype:
    """Take the same batch again in another number format."""

    reason: str
    precision: Literal["fp32"]


@dataclass(frozen=True, slots=True)
class RollBack:
    """Go back to the newest healthy checkpoint. tag: of the checkpoint to go back to."""

    reason: str
    tag: str = "healthy"


@dataclass(frozen=True, slots=True)
class Stop:
    """The run no longer makes sense; halt with everything saved so far intact."""

    reason: str


Verdict = Apply | Skip | Rescale | Retype | RollBack | Stop


def judge(
    report: Report, memory: GuardMemory, rules: GuardSettings, position: int, precision: str
) -> tuple[Verdict, GuardMemory]:
    """The verdict on the batch at `position` and what to remember of it. Equal arguments give equal verdicts."""
    broken = _not_usable(report)
    reason = broken or _spike(report, memory, rules)
    if reason is None:
        return Apply(), _applied(report, memory, precision)
    if broken and precision == "fp16" and report.trained_tokens:
        if memory.rescaled < MOST_RESCALES:
            scale = memory.loss_scale / RESCALE
            again = replace(memory, loss_scale=scale, scaled_since=report.step, rescaled=memory.rescaled + 1)
            return Rescale(f"{reason}; again with the loss multiplied by {scale:g}"), again
        if memory.skipped_in_a_row + 1 >= HALF_SKIPS:
            sound = replace(memory, precision="fp32", loss_scale=1.0, rescaled=0, skipped_in_a_row=0, suspect=None)
            return Retype(f"{memory.skipped_in_a_row + 1} batches in a row: {reason}", "fp32"), sound
    suspect = position if memory.suspect is None else memory.suspect
    row = memory.skipped_in_a_row + 1
    scale = memory.loss_scale * RESCALE**memory.rescaled  # lowering it was no help
    after = replace(
        memory, skipped=memory.skipped + 1, skipped_in_a_row=row, suspect=suspect, loss_scale=scale, rescaled=0
    )
    if row <= rules.max_skips:
        return Skip(reason), after
    if report.trained_tokens == 0:  # no weights can do anything about that
        return Stop(f"{row} batches in a row: {reason}"), after
    return _weights_are_suspect(f"{row} steps in a row could not be used: {reason}", after, rules, report.step), after


def _weights_are_suspect(reason: str, memory: GuardMemory, rules: GuardSettings, step: int) -> Verdict:
    if may_go_back(memory, rules, step):
        return RollBack(reason)
    recent = _recent_rollbacks(memory, step)
    went = f"went back {recent} times and " if recent else ""
    return Stop(f"{went}{reason}")


def _recent_rollbacks(memory: GuardMemory, step: int) -> int:
    return sum(step - each < ROLLBACK_WINDOW for each in memory.rollbacks)


def may_go_back(memory: GuardMemory, rules: GuardSettings, step: int) -> bool:
    """Whether another rollback is within what the rules allow."""
    return _recent_rollbacks(memory, step) < rules.max_rollbacks


def went_back(then: GuardMemory, now: GuardMemory, rules: GuardSettings, step: int, position: int) -> GuardMemory:
    """What to remember after going back.

    then: the memory of the checkpoint; now: that of the state at `step`, whose batch `position` was the last one read.
    The batches from just before the first suspect one are passed over: the update that did the harm is among them.
    Where none was suspect, as after a bad trend, they are read again.
    """
    jump = () if now.suspect is None else ((max(0, now.suspect - 1), position + 1),)
    return replace(
        then,
        skipped=now.skipped,
        rollbacks=(*now.rollbacks, step),
        jumps=(*now.jumps, *jump),
        lr_factor=now.lr_factor,
        lowered=(rules.rollback_lr ** (_recent_rollbacks(now, step) + 1), step + rules.rollback_steps),
        rows=now.rows,
        rows_since=now.rows_since,
        loss_scale=now.loss_scale,
        precision=now.precision,
        trend=now.trend,
    )


def _not_usable(report: Report) -> str | None:
    if report.trained_tokens == 0:
        return "the batch holds nothing to learn from"
    if not math.isfinite(report.loss):
        return "the loss is not finite"
    if not math.isfinite(report.grad_norm):
        return "the gradient is not finite"
    return None


def _spike(report: Report, memory: GuardMemory, rules: GuardSettings) -> str | None:
    """Why the step is an outlier against the applied ones before it."""
    if rules.spike is None or len(memory.losses) < FEWEST:
        return None
    normal = math.exp(statistics.median(memory.losses[-RECENT:]))
    above = _log(report.loss / normal)
    if report.loss - normal > LOSS_MARGIN and above > rules.spike * _noise(memory.losses):
        return f"the loss is {report.loss:.3g}, where {normal:.3g} is normal"
    normal = math.exp(statistics.median(memory.norms[-RECENT:]))
    above = _log(report.grad_norm / normal)
    if above > NORM_MARGIN and above > rules.spike * _noise(memory.norms):
        return f"the gradient is {report.grad_norm:.3g} long, where {normal:.3g} is normal"
    return None


def _noise(logs: tuple[float, ...]) -> float:
    """Standard deviation of the noise around the course of these values: from the median absolute difference of
    neighbours, which neither outliers nor a course that falls fast can widen; such a difference is of two values, hence
    the root of two."""
    differences = [abs(later - earlier) for earlier, later in pairwise(logs)]
    return max(FLOOR, SPREAD * statistics.median(differences) / math.sqrt(2))


def _applied(report: Report, memory: GuardMemory, precision: str) -> GuardMemory:
    after = replace(
        memory,
        losses=(*memory.losses, _log(report.loss))[-WINDOW:],
        norms=(*memory.norms, _log(report.grad_norm))[-WINDOW:],
        skipped_in_a_row=0,
        suspect=None,
        rescaled=0,
    )
    if precision == "fp16" and report.step - after.scaled_since >= GROW_SCALE_STEPS:
        after = replace(after, loss_scale=min(HIGHEST_SCALE, 2 * after.loss_scale), scaled_since=report.step)
    return after


def _log(value: float) -> float:
    return math.log(max(value, 1e-12))
