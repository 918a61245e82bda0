"""How the learning rate moves over a stage: pure functions from a step to a multiplier between 0 and 1. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["constant", "cosine", "linear", "wsd"]


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """All lengths are parts of the planned steps, so a plan of any length has the same shape.

    warmup_fraction: the part in which the rate rises in a straight line.
    decay_fraction:  the last part, in which wsd (warm up, stay, decay) falls in a straight line; others ignore it.
    final_fraction:  what is left of the rate when the planned steps are over; constant ignores it.
    """

    kind: Kind = "cosine"
    warmup_fraction: float = 0.02
    decay_fraction: float = 0.4
    final_fraction: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in ("constant", "cosine", "linear", "wsd"):
            raise ValueError(f"kind is constant, cosine, linear or wsd, not {self.kind!r}")
        for name in ("warmup_fraction", "decay_fraction", "final_fraction"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")
        if self.kind == "wsd" and self.warmup_fraction + self.decay_fraction > 1:
            raise ValueError(f"warmup ({self.warmup_fraction}) and decay ({self.decay_fraction}) exceed the whole")


def multiplier(config: ScheduleConfig, step: int, total_steps: int) -> float:
    """What the highest rate is multiplied with in update `step`, counted from 0, of `total_steps`.

    The first warmup step already moves; the fall ends at final_fraction where the step after the last would be, so
    that no step is wasted on a rate of nothing. Steps beyond the plan stay at its end value.
    """
    if step < 0 or total_steps < 1:
        raise ValueError(f"step {step} of {total_steps} is not in a plan")
    warmup = round(config.warmup_fraction * total_steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.kind == "constant":
        return 1.0
    start = total_steps - round(config.decay_fraction * total_steps) if config.kind == "wsd" else warmup
    start = max(start, warmup)
    if step < start:
        return 1.0
    gone = min(1.0, (step - start) / (total_steps - start)) if total_steps > start else 1.0
    left = (1 + math.cos(math.pi * gone)) / 2 if config.kind == "cosine" else 1 - gone
    return config.final_fraction + (1 - config.final_fraction) * left
