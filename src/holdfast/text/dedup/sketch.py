"""A text as 128 numbers: the share of equal ones among two texts tells how alike the texts are.

Two texts are as alike as their sets of five-word runs: what both have, over what either has (Broder, "On the
resemblance and containment of documents", 1997). The sketch is a min-hash by one permutation (Li, Owen and Zhang,
2012): the hashes of all runs fall into 128 equal ranges by their upper bits, and of each the smallest stays, which one
sort gives. Where the places of a sketch are compared one by one, a range that got no run borrows from the next that did
(Shrivastava and Li, 2014), so that short texts can be found too. The standard error of the share is at most 0.045.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.text.dedup.shingles import Hashes, runs

Sketch = NDArray[np.uint32]

PLACES = 128
RUN_WORDS = 5
NOTHING = np.uint32(0)  # in every place of the sketch of a text that is shorter than a run
_BITS = np.uint64(64 - PLACES.bit_length() + 1)
_BOUNDS = np.arange(PLACES, dtype=np.uint64) << _BITS
_DISTANCE = np.uint32(0x9E3779B1)


def sketch(hashes: Hashes) -> Sketch:
    """(128,) the sketch of a text, from the hashes of its words; 0 for a range that got no run."""
    ordered = np.sort(runs(hashes, RUN_WORDS))
    if not len(ordered):
        return np.full(PLACES, NOTHING)
    first = np.searchsorted(ordered, _BOUNDS)
    least = ordered[np.minimum(first, len(ordered) - 1)]
    filled = (first < len(ordered)) & (least >> _BITS == np.arange(PLACES))
    values = (least >> np.uint64(8)).astype(np.uint32)  # of the lower bits, which the range says nothing of
    return np.where(filled, np.maximum(values, 1), NOTHING)


def alike(some: Sketch, others: Sketch) -> NDArray[np.float64]:
    """(n,) how alike the texts of two rows of sketches are, each (n, 128): 1 is equal, unrelated texts are at 0.

    Of the ranges in which either text has a run, those in which both have the same smallest one: for short texts, whose
    runs hardly ever share a range, that is nearly exact.
    """
    either = ((some != NOTHING) | (others != NOTHING)).sum(axis=-1)
    return ((some == others) & (some != NOTHING)).sum(axis=-1) / np.maximum(either, 1)


def filled(sketches: Sketch) -> Sketch:
    """(n, 128) the same, but an empty range borrows from the next one that is not, with the distance in it."""
    if sketches.all():
        return sketches
    places = np.arange(PLACES)
    own = np.where(sketches != NOTHING, places, 3 * PLACES)
    around = np.concatenate([own, own + PLACES], axis=1)[:, ::-1]
    giver = np.minimum.accumulate(around, axis=1)[:, ::-1][:, :PLACES]
    given = np.take_along_axis(sketches, giver % PLACES, axis=1)
    borrowed = np.maximum(given + (giver - places).astype(np.uint32) * _DISTANCE, 1)
    return np.where(given != NOTHING, borrowed, NOTHING)
