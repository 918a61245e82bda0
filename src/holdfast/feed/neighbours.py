"""Which token follows which in a corpus, and how often: what a network would spend its first minutes finding out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.feed.shards import Shards

PIECE_TOKENS = 1 << 22  # counted at once: 32 MB of pairs
MOST_PIECES = 8  # of a larger corpus; what more text adds to counts of pairs is small


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Every pair of neighbouring tokens once: `second` came right behind `first`, `count` times. All (N,)."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    count: NDArray[np.int64]


def neighbours(shards: Shards, vocab_size: int) -> Neighbours:
    """Count the pairs of a corpus, or of pieces spread evenly over one of more than 33 million tokens.

    What follows the end of a document is the start of the next, as in the rows that are trained on.
    """
    pieces = -(-(shards.tokens - 1) // PIECE_TOKENS)
    read = range(pieces) if pieces <= MOST_PIECES else np.linspace(0, pieces - 1, MOST_PIECES).astype(int).tolist()
    keys, counts = [], []
    for piece in read:
        start = piece * PIECE_TOKENS
        ids = shards.read(start, min(shards.tokens, start + PIECE_TOKENS + 1))
        found, count = np.unique(ids[:-1] * vocab_size + ids[1:], return_counts=True)
        keys.append(found)
        counts.append(count)
    key, place = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.zeros(len(key), dtype=np.int64)
    np.add.at(total, place, np.concatenate(counts))
    return Neighbours(*np.divmod(key, vocab_size), total)
