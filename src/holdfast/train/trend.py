"""What a row of validations says of a stage: it gets worse, it stands still, it has learned all it will."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from holdfast.train.settings import GuardSettings

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Trend:
    """What is remembered of the validations so far.

    best:   lowest score. rising: validations in a row that were worse than it by the factor of the rules.
    stale:  validations since the best one. told: of them when that was last acted on.
    """

    best: float | None = None
    rising: Count = 0
    stale: Count = 0
    told: Count = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Something for people to know; training goes on as it is."""

    reason: str


@dataclass(frozen=True, slots=True)
class LowerRate:
    """Go on with `factor` times the learning rate."""

    reason: str
    factor: float


@dataclass(frozen=True, slots=True)
class GoBack:
    """Go back to the best checkpoint."""

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """The stage has learned what it will: end it as if it had come to its last step."""

    reason: str


Advice = Note | LowerRate | GoBack | End


def follow_trend(score: float, trend: Trend, rules: GuardSettings) -> tuple[Advice | None, Trend]:
    """What to do after one more validation, and what to remember of it. A score that is not finite is the worst."""
    if trend.best is None or score < trend.best:
        return None, Trend(best=score if math.isfinite(score) else trend.best)
    worse = not score <= trend.best * rules.trend_factor
    after = replace(trend, rising=trend.rising + 1 if worse else 0, stale=trend.stale + 1)
    if rules.patience is not None and after.stale >= rules.patience:
        return End(f"no better validation in {after.stale}"), after
    if after.rising >= rules.trend_checks:
        reason = f"{after.rising} validations in a row were worse than {rules.trend_factor:g} times the best"
        return _act(rules.on_trend, reason, rules), replace(after, rising=0, told=after.stale)
    if after.stale - after.told >= rules.plateau_checks:
        reason = f"no better validation in {after.stale}"
        return _act(rules.on_plateau, reason, rules), replace(after, told=after.stale)
    return None, after


def _act(policy: str, reason: str, rules: GuardSettings) -> Advice:
    if policy == "lower_lr":
        return LowerRate(reason, rules.trend_lr)
    return GoBack(reason) if policy == "rollback" else Note(reason)
