"""Bits per byte: how well a model predicts held-out text, in a unit that no tokenizer can flatter.

    bits per byte = (sum of -ln p over the trained targets) / ln 2 / (bytes of UTF-8 those targets stand for)

Loss per token can not be compared between vocabularies, because a larger one has fewer and longer tokens; bits of
surprise per byte of text can (Gao et al. 2020, The Pile, section 3.1). Every trained target counts in the numerator,
the ends of documents and turns too, since the model had to predict them; special tokens stand for no text, so they add
nothing to the denominator. Each row is read with an empty context at its start, which costs a little and flatters
nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.base.faults import DataFault, Diverged
from holdfast.base.records import Batch, Score
from holdfast.evals.intervals import Z95

SPANS = 50  # neighbouring rows are alike, so it takes many places in the split to say how sure the number is


class HeldOut(Protocol):
    """What is measured on: held-out rows that can be read in order, as a `Feed` can."""

    @property
    def rows_per_epoch(self) -> int: ...
    def in_order(self, start: int, stop: int) -> Batch: ...


def bits_per_byte(
    nats: Callable[[Batch], float],
    held_out: HeldOut,
    token_bytes: NDArray[np.integer],
    most_tokens: int,
    micro_batch_rows: int,
) -> Score:
    """Measure a model on held-out rows; the same rows whatever the micro-batch.

    nats:        the summed -ln p of a batch's trained targets.
    token_bytes: (V,) bytes that each id stands for, 0 for special tokens.
    most_tokens: read no more than this many tokens, spread evenly over the split.

    Returns a Score whose `n` is the bytes of text predicted, whose baseline is what a uniform guess over the
    vocabulary costs, and whose interval is a 95 % normal one from the spread between places in the split (None when
    there is one place only). Raises DataFault without held-out text, Diverged when the loss is not finite.
    """
    row_tokens = held_out.in_order(0, 1).inputs.shape[1]
    spans = spread(held_out.rows_per_epoch, max(1, most_tokens // row_tokens))
    places = np.array([_measure(nats, held_out, token_bytes, span, micro_batch_rows) for span in spans])
    bits, tokens, size = places.T if len(places) else np.zeros((3, 1))
    if not size.sum():
        raise DataFault(
            "the held-out split holds no text to measure on", "give it more documents: raise corpus.val_fraction"
        )
    value = float(bits.sum() / size.sum())
    if not math.isfinite(value):
        raise Diverged("the held-out loss is not finite", "use an earlier checkpoint, or lower the learning rate")
    margin = _margin(bits, size, value)
    return Score(
        name="validation",
        metric="bits_per_byte",
        value=value,
        n=int(size.sum()),
        seed=None,
        baseline=float(math.log2(len(token_bytes)) * tokens.sum() / size.sum()),
        low=None if margin is None else max(0.0, value - margin),
        high=None if margin is None else value + margin,
    )


def spread(rows: int, wanted: int, spans: int = SPANS) -> list[range]:
    """`wanted` of `rows` rows (all, when there are fewer) as at most `spans` ranges at even distances, in order."""
    wanted = min(rows, wanted)
    spans = min(spans, wanted)
    left_out = rows - wanted
    found = []
    for index in range(spans):
        gap = left_out * (2 * index + 1) // (2 * spans)
        found.append(range(wanted * index // spans + gap, wanted * (index + 1) // spans + gap))
    return found


def _measure(
    nats: Callable[[Batch], float],
    held_out: HeldOut,
    token_bytes: NDArray[np.integer],
    rows: range,
    micro_batch_rows: int,
) -> tuple[float, int, int]:
    """Bits, trained tokens and bytes of one range of rows."""
    batch = held_out.in_order(rows.start, rows.stop)
    starts = range(0, len(batch.inputs), micro_batch_rows)
    parts = (batch.rows(start, start + micro_batch_rows) for start in starts)
    total = sum(nats(part) for part in parts if part.trained_tokens)
    targets = batch.targets[batch.targets >= 0]
    return total / math.log(2), len(targets), int(token_bytes[targets].sum())


def _margin(bits: NDArray[np.float64], size: NDArray[np.float64], ratio: float) -> float | None:
    """Half the width of the interval of a ratio of two sums over places (Cochran, Sampling Techniques, 6.3)."""
    places = len(bits)
    if places < 2:
        return None
    deviation = bits - ratio * size
    variance = places / (places - 1) * float((deviation**2).sum()) / float(size.sum()) ** 2
    return Z95 * math.sqrt(variance)
