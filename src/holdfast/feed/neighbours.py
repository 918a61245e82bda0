"""Which token follows which in a corpus, and how often: what a network would spend its first minutes finding out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.feed.shards import Shards

PIECE_TOKENS = 1 << 22  # counted at once: 32 MB of pairs
MOST_PIECES = 8  # of a larger corpus; what more text adds to counts of pairs is small


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Every pair of neighbours once: token `second` came right behind `first`, `count` times. All (N,)."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    count: NDArray[np.int64]


def neighbours(shards: Shards, vocab_size: int) -> Neighbours:
    """Count the pairs of a corpus, or of pieces spread evenly over one of more than 33 million tokens.

    What follows the end of a document is the start of the next, as in the rows that are trained on.
    """
    return _counted((ids[:-1] * vocab_size + ids[1:] for ids in _pieces(shards)), vocab_size)


def frequent(found: Neighbours, vocab_size: int, most: int) -> NDArray[np.int64]:
    """The pairs that are met most often, as second * vocab_size + first, in rising order: at most so many."""
    top = np.argsort(-found.count, kind="stable")[:most]
    return np.sort(found.second[top] * vocab_size + found.first[top])


def behind(shards: Shards, vocab_size: int, keys: NDArray[np.int64]) -> Neighbours:
    """What follows the pairs that `frequent` gave: `first` is a pair's place among the keys. Counted as by
    `neighbours`."""

    def places() -> Iterator[NDArray[np.int64]]:
        for ids in _pieces(shards):
            pair = ids[1:-1] * vocab_size + ids[:-2]
            place = np.searchsorted(keys, pair).clip(max=len(keys) - 1)
            known = keys[place] == pair
            yield place[known] * vocab_size + ids[2:][known]

    return _counted(places(), vocab_size)


def _pieces(shards: Shards) -> Iterator[NDArray[np.int64]]:
    """The ids of the pieces that are counted, each with the first one behind it."""
    pieces = -(-(shards.tokens - 1) // PIECE_TOKENS)
    read = range(pieces) if pieces <= MOST_PIECES else np.linspace(0, pieces - 1, MOST_PIECES).astype(int).tolist()
    for piece in read:
        start = piece * PIECE_TOKENS
        yield shards.read(start, min(shards.tokens, start + PIECE_TOKENS + 1))


def _counted(pieces: Iterator[NDArray[np.int64]], vocab_size: int) -> Neighbours:
    """Of keys first * vocab_size + second, each as often as it was met."""
    keys, counts = zip(*(np.unique(piece, return_counts=True) for piece in pieces), strict=True)
    key, place = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.zeros(len(key), dtype=np.int64)
    np.add.at(total, place, np.concatenate(counts))
    return Neighbours(*np.divmod(key, vocab_size), total)
