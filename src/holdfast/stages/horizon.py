"""How long a training stage is. Settled once, stored, and read back on every resume, so that a schedule never moves.

A time budget becomes a number of steps here: the one place where a clock may decide how much is learned, and its
decision is on disk before the first step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from holdfast.base.faults import DataFault, RecipeFault
from holdfast.disk import parts
from holdfast.train.settings import TrainSettings

FILE = "horizon.json"
OF = "settings"
# What part of the time that is left goes to each stage; the rest is for evaluation, export and the report.
BUDGET_SHARE = {"pretrain": 0.80, "sft": 0.60}
OVERHEAD = 0.05  # saves and validations between the steps
FEWEST_STEPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """With what a stage trains on this machine, where the recipe says `auto`.

    precision:        fp32, bf16 or fp16, after `auto` was measured.
    micro_batch_rows: computed at once; None: the whole batch. recompute: layers that are computed again.
    compiled:         how the layers are compiled, a mode of `torch.compile`; None: not at all.
    """

    precision: str
    micro_batch_rows: int | None = None
    recompute: str = "none"
    compiled: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon(Means):
    """The length of one training stage and what else was settled on this machine.

    origin: in words, where the number of steps comes from.
    """

    total_steps: int
    origin: str


def settle(
    folder: Path, settings: str, means: Callable[[], Means], steps: Callable[[Means], tuple[int, str]]
) -> Horizon:
    """The stored horizon of a stage's folder, or a new one, stored before it is returned.

    settings: the fingerprint of the stage. Where training goes on under others, only the number of steps is settled
              again: the number format is part of what the model is, and all means of what its last bits are.
    means:    () -> those of this machine; steps: those -> (number of steps, origin).
    """
    known, of = stored(folder)
    if known is not None and of in (settings, None):
        return known
    chosen = means() if known is None else known
    total, origin = steps(chosen)
    kept = {each.name: getattr(chosen, each.name) for each in fields(Means)}
    horizon = Horizon(total_steps=total, origin=origin, **kept)
    parts.seal(folder / FILE, asdict(horizon) | {OF: settings})
    return horizon


def stored(folder: Path) -> tuple[Horizon | None, str | None]:
    """The horizon of a stage's folder, None where none was settled, and the fingerprint of the settings it is for."""
    try:
        plain = parts.unseal(folder / FILE, bare=True)
        of = plain.pop(OF, None)
        return Horizon(**plain), of
    except FileNotFoundError:
        return None, None
    except (TypeError, ValueError) as error:
        raise DataFault(
            f"{folder / FILE} is damaged: {error}",
            "delete it: the recipe settles it again, and `horizon` in each checkpoint's manifest says what it was",
        ) from error


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
    seconds = budget_seconds(stage, budget, spent)
    steps = max(FEWEST_STEPS, int(seconds / step_seconds))
    return steps, f"{steps} steps of {step_seconds * 1000:.0f} ms fit {seconds / 60:.1f} min of the budget"


def budget_seconds(stage: str, budget: float | None, spent: float) -> float:
    """The stage's share of what is left of the time budget. Raises RecipeFault where there is none."""
    if budget is None:
        raise RecipeFault(
            f"nothing says how long {stage} trains", f"add {stage}.steps=N, or a budget for the whole run: budget=30min"
        )
    return (budget - spent) * BUDGET_SHARE[stage] * (1 - OVERHEAD)
