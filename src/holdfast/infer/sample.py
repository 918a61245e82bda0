"""From logits to one token id per row. Pure: the same seed, the same logits and the same place in the text give the
same id, whatever else is in the batch and however often it is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.base.draws import draw
from holdfast.base.faults import Fault, RecipeFault


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to choose tokens.

    max_tokens:         at most so many new tokens.
    temperature:        0 takes the likeliest token; 1 is the model's own distribution; higher is wilder.
    top_k:              only the k likeliest tokens are candidates; None for all.
    top_p:              only the likeliest tokens that together reach this probability (Holtzman et al. 2019).
    repetition_penalty: > 1 makes every token already in the text less likely (Keskar et al. 2019, CTRL).
    seed:               names the randomness; the same seed gives the same text.
    """

    max_tokens: int = 256
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises RecipeFault naming the first setting that makes no sense."""
        rules = (
            ("max_tokens", self.max_tokens >= 1, "a whole number of at least 1"),
            ("temperature", 0 <= self.temperature < math.inf, "0 (always the likeliest token) or a positive number"),
            ("top_k", self.top_k is None or self.top_k >= 1, "a whole number of at least 1, or none"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("repetition_penalty", 0 < self.repetition_penalty < math.inf, "a positive number; 1 is off"),
        )
        for name, holds, allowed in rules:
            if not holds:
                raise RecipeFault(f"{name} is {getattr(self, name)}", f"give {name} as {allowed}")


def choose(logits: Tensor, params: SamplingParams, places: Sequence[int], seen: Tensor | None = None) -> Tensor:
    """One id per row.

    logits: (B, V) any float type. places: for each row which of its new tokens this is, from 0; it names the draw.
    seen: (B, V) bool, the ids already in each row's text, needed when the repetition penalty is on.
    Returns (B,) int64. Raises Fault when the model's output is not finite.
    """
    logits = logits.float()
    if not bool(torch.isfinite(logits).all()):
        raise Fault(
            "the model's output is not finite", "its weights are damaged or diverged: use an earlier checkpoint"
        )
    if params.repetition_penalty != 1.0:
        if seen is None:
            raise ValueError("the repetition penalty needs the ids already in the text")
        logits = penalise(logits, seen, params.repetition_penalty)
    if params.temperature == 0:
        return logits.argmax(-1)
    candidates, ids = torch.topk(logits, min(params.top_k or logits.shape[1], logits.shape[1]))
    heights = (candidates - candidates[:, :1]).double() / params.temperature  # the top at 0: no temperature overflows
    probabilities = nucleus(torch.softmax(heights, -1), params.top_p)
    uniform = [uniform_draw(params.seed, place) for place in places]
    column = inverse_cdf(probabilities, torch.tensor(uniform, dtype=torch.float64, device=logits.device))
    return ids.gather(1, column[:, None])[:, 0]


def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Divide the positive and multiply the negative logits of seen ids, so that both move towards unlikely."""
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero what lies beyond the nucleus. `probabilities` (B, K) fall along each row; the first always stays."""
    before = probabilities.cumsum(-1) - probabilities
    return torch.where(before < top_p, probabilities, 0.0)


def inverse_cdf(weights: Tensor, uniform: Tensor) -> Tensor:
    """The column whose share of the row's total holds `uniform` (B,) in [0, 1). `weights` (B, K): positive, then 0."""
    totals = weights.cumsum(-1)
    column = torch.searchsorted(totals, uniform[:, None] * totals[:, -1:], right=True)[:, 0]
    return column.minimum((weights > 0).sum(-1) - 1)  # rounding must not reach a column of weight 0


def uniform_draw(seed: int, place: int) -> float:
    """A double in [0, 1) that belongs to one place of one seeded text."""
    return (draw(seed, "sample", place) >> 10) / 2**53
