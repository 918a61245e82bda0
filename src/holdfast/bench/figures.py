"""What is made of measured runs: spreads, ratios within a round, and which of them count. Plain numbers only.

A machine may run at half its speed for seconds. A matrix probe before and after each run says so: a run whose two
probes differ too much does not count, and a ratio only where the probes of both its runs agree.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

OURS = "holdfast"
SAME = 0.15  # probes that differ by more were not of the same machine


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one system. before, after: GFLOP/s of the matrix probe. figures: what was measured, by name."""

    round: int
    system: str
    before: float
    after: float
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder as everybody has it. rows: of a batch. head_size: width of an attention head."""

    layers: int
    width: int
    vocab: int
    context: int
    rows: int
    head_size: int = 64

    @property
    def batch_tokens(self) -> int:
        return self.rows * self.context

    @property
    def flops_per_token(self) -> float:
        """Of a training step, forward and backward: six for each weight of a matrix that a token meets, and those of
        causal attention. The same formula for all, whatever else a system computes on top of it."""
        matrices = 12 * self.layers * self.width**2 + self.vocab * self.width
        return 6.0 * matrices + 6.0 * self.layers * self.context * self.width


def alike(*probes: float) -> bool:
    """Whether probes are of the same machine."""
    return max(probes) - min(probes) <= SAME * max(probes)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, extremes and count."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}


def kept(runs: Sequence[Measured], system: str) -> list[Measured]:
    """The runs of a system that count."""
    return [run for run in runs if run.system == system and alike(run.before, run.after)]


def pairs(runs: Sequence[Measured], one: str, other: str) -> Iterator[tuple[Measured, Measured]]:
    """The runs of two systems in the same round, where the machine was the same for both."""
    others = {run.round: run for run in runs if run.system == other}
    for mine in (run for run in runs if run.system == one):
        theirs = others.get(mine.round)
        if theirs is not None and alike(mine.before, mine.after, theirs.before, theirs.after):
            yield mine, theirs


def summary(runs: Sequence[Measured], ours: str = OURS) -> dict[str, Any]:
    """Spreads by system, ratios of ours to each peer within a round, how many of them were dropped, and every run.

    A system none of whose runs counts has no figures.
    """
    systems = list(dict.fromkeys(run.system for run in runs))
    found: dict[str, Any] = {"systems": {}, "ratios": {}, "dropped": {}}
    for name in systems:
        good = kept(runs, name)
        found["dropped"][name] = sum(run.system == name for run in runs) - len(good)
        keys = list(good[0].figures) if good else []
        found["systems"][name] = {key: spread([run.figures[key] for run in good]) for key in keys}
    for peer in (name for name in systems if name != ours):
        both = list(pairs(runs, ours, peer))
        keys = [key for key in both[0][0].figures if key in both[0][1].figures] if both else []
        found["ratios"][peer] = {
            key: spread([mine.figures[key] / theirs.figures[key] for mine, theirs in both if theirs.figures[key]])
            for key in keys
            if any(theirs.figures[key] for _, theirs in both)
        }
        rounds = sum(run.system == ours for run in runs)
        found["dropped"][f"{ours} / {peer}"] = rounds - len(both)
    return found | {"runs": [asdict(run) for run in runs]}
