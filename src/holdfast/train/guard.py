"""The guard decides what becomes of a step: pure, no tensor, no file. What it remembers travels in the manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from holdfast.base.records import Report

MOST_SKIPS_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class GuardMemory:
    """What the guard must not forget across a restart."""

    skipped_in_a_row: int = 0
    skipped: int = 0

    def to_dict(self) -> dict[str, int]:
        """Plain data for the manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GuardMemory:
        """The inverse of `to_dict`. Raises KeyError for a missing field, ValueError for what is no such memory."""
        kept = {name: data[name] for name in ("skipped_in_a_row", "skipped")}
        if len(kept) != len(data) or not all(type(value) is int and value >= 0 for value in kept.values()):
            raise ValueError("what the guard remembers is not of this version")
        return cls(**kept)


@dataclass(frozen=True, slots=True)
class Apply:
    """The step is sound: clip and let the optimizer move the weights."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave the weights alone and take the next batch; a branch, because 0 * NaN is NaN."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The run no longer makes sense; halt with everything saved so far intact."""

    reason: str


Verdict = Apply | Skip | Stop


def judge(report: Report, memory: GuardMemory) -> tuple[Verdict, GuardMemory]:
    """The verdict on one step and what to remember of it. Equal reports and memories give equal verdicts."""
    reason = _fault(report)
    if reason is None:
        return Apply(), replace(memory, skipped_in_a_row=0)
    after = _skipped(memory)
    if after.skipped_in_a_row > MOST_SKIPS_IN_A_ROW:
        return Stop(f"{after.skipped_in_a_row} steps in a row could not be used: {reason}"), after
    return Skip(reason), after


def follow(decision: Mapping[str, Any] | None, memory: GuardMemory) -> tuple[Verdict, GuardMemory]:
    """The verdict that the journal holds on a batch, None being none: it was applied. And what `judge` remembered."""
    if decision is None:
        return Apply(), replace(memory, skipped_in_a_row=0)
    verdict = Stop if decision["verdict"] == "stop" else Skip
    return verdict(str(decision["reason"])), _skipped(memory)


def _skipped(memory: GuardMemory) -> GuardMemory:
    return GuardMemory(memory.skipped_in_a_row + 1, memory.skipped + 1)


def _fault(report: Report) -> str | None:
    if report.trained_tokens == 0:
        return "the batch holds nothing to learn from"
    if not math.isfinite(report.loss):
        return "the loss is not finite"
    if not math.isfinite(report.grad_norm):
        return "the gradient is not finite"
    return None
