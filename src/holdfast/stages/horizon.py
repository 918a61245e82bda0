"""How long a training stage is. Settled once, stored, and read back on every resume, so that a schedule never moves.

A time budget becomes a number of steps here: the one place where a clock may decide how much is learned, and its
decision is on disk before the first step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from holdfast.base.faults import RecipeFault
from holdfast.base.files import read_json, write_json
from holdfast.train.settings import TrainSettings

FILE = "horizon.json"
# What part of the time that is left goes to each stage; the rest is for evaluation, export and the report.
BUDGET_SHARE = {"pretrain": 0.80, "sft": 0.60}
OVERHEAD = 0.05  # saves and validations between the steps
FEWEST_STEPS = 10


@dataclass(frozen=True, slots=True)
class Horizon:
    """The length of one training stage and what else was settled on this machine.

    precision: fp32 or bf16, after `auto` was measured.
    origin:    in words, where the number of steps comes from.
    """

    total_steps: int
    precision: str
    origin: str


def settle(folder: Path, precision: Callable[[], str], steps: Callable[[str], tuple[int, str]]) -> Horizon:
    """The stored horizon of a stage's folder, or a new one, stored before it is returned.

    precision: () -> the number format of this machine; steps: that format -> (number of steps, origin).
    """
    path = folder / FILE
    if path.exists():
        return Horizon(**read_json(path))
    chosen = precision()
    total, origin = steps(chosen)
    horizon = Horizon(total, chosen, origin)
    write_json(path, asdict(horizon))
    return horizon


def fixed_steps(settings: TrainSettings, rows_per_epoch: int, context_length: int) -> tuple[int, str] | None:
    """Steps that follow from the recipe alone, or None when only the time budget says how long."""
    if settings.steps is not None:
        return settings.steps, f"{settings.steps} steps, from the recipe"
    if settings.tokens is not None:
        return math.ceil(settings.tokens / settings.batch_tokens), f"{settings.tokens:,} tokens, from the recipe"
    if settings.epochs is not None:
        rows = settings.batch_tokens // context_length
        return math.ceil(settings.epochs * rows_per_epoch / rows), f"{settings.epochs:g} epochs, from the recipe"
    return None


def budget_steps(stage: str, budget: float | None, spent: float, step_seconds: float) -> tuple[int, str]:
    """Steps that fit the stage's share of what is left of the time budget.

    budget, spent: seconds of the whole run and of its stages so far; step_seconds: measured on this machine.
    """
    if budget is None:
        raise RecipeFault(
            f"nothing says how long {stage} trains", f"add {stage}.steps=N, or a budget for the whole run: budget=30min"
        )
    seconds = (budget - spent) * BUDGET_SHARE[stage] * (1 - OVERHEAD)
    steps = max(FEWEST_STEPS, int(seconds / step_seconds))
    return steps, f"{steps} steps of {step_seconds * 1000:.0f} ms fit {seconds / 60:.1f} min of the budget"
