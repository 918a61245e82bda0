"""Byte pair encoding of many short words side by side.

The rule is that of every byte pair encoder (Sennrich et al. 2016): of the neighbours in a word that were ever merged,
those learned first are merged first, from the left. Words are the rows of a matrix of ids, and one round merges one
pair in each row, so that a row has one column less after it, or has its ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.tokenizer.vocabulary import Vocabulary, byte_alphabet

ROWS = 1 << 12  # at once, so that the matrix stays in the cache

Ids = NDArray[np.int32]
_Counts = NDArray[np.int64]


class Merger:
    """The merges of one vocabulary of kind bpe, at work. It keeps nothing between calls."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        place = {token: number for number, token in enumerate(vocabulary.tokens)}
        self._padding = len(place)  # an id that no pair has
        self._of_byte = np.array([place[character] for character in byte_alphabet()], dtype=np.int32)
        pairs = np.array([(place[left], place[right]) for left, right in vocabulary.merges], dtype=np.int64)
        merged = [place[left + right] for left, right in vocabulary.merges]
        self._merged = np.array([*merged, self._padding], dtype=np.int32)
        self._never = len(merged)
        keys = self._keys(pairs[:, 0], pairs[:, 1]) if merged else np.zeros(0, dtype=np.int64)
        order = np.argsort(keys, kind="stable")
        self._sorted = np.concatenate(([-1], keys[order]))
        self._ranks = np.concatenate(([self._never], order)).astype(np.int32)

    def encode(self, words: Sequence[bytes]) -> tuple[Ids, _Counts]:
        """The ids of all words in a row, and how many each word has. Every word is encoded for itself."""
        parts = [self._encode(words[start : start + ROWS]) for start in range(0, len(words), ROWS)]
        return np.concatenate([ids for ids, _ in parts]), np.concatenate([counts for _, counts in parts])

    def _encode(self, words: Sequence[bytes]) -> tuple[Ids, _Counts]:
        lengths = np.array([len(word) for word in words])
        ids = np.full((len(words), lengths.max(initial=1)), self._padding, dtype=np.int32)
        ids[np.arange(ids.shape[1]) < lengths[:, None]] = self._of_byte[np.frombuffer(b"".join(words), dtype=np.uint8)]
        done = ids.copy()
        rows, ranks = np.arange(len(words)), self._rank(ids[:, :-1], ids[:, 1:])
        while ranks.shape[1]:
            best = ranks.argmin(axis=1)
            rank = ranks[np.arange(len(rows)), best]
            more = rank < self._never
            finished = ~more
            done[rows[finished], : ids.shape[1]] = ids[finished]
            done[rows[finished], ids.shape[1] :] = self._padding
            rows, ids, ranks, best = rows[more], ids[more], ranks[more], best[more]
            ids, ranks = self._merge(ids, ranks, best, self._merged[rank[more]])
        done[rows, : ids.shape[1]] = ids
        done[rows, ids.shape[1] :] = self._padding
        used = done != self._padding
        return done[used], used.sum(axis=1)

    def _merge(self, ids: Ids, ranks: Ids, at: NDArray[np.int64], merged: Ids) -> tuple[Ids, Ids]:
        """In each row, ids[at] and the one behind it become `merged`."""
        row, (rows, columns) = np.arange(len(ids)), ids.shape
        ids[row, at] = merged
        keep = np.ones(ids.shape, dtype=np.bool_)
        keep[row, at + 1] = False
        ids = ids[keep].reshape(rows, columns - 1)
        ranks = ranks[keep[:, 1:]].reshape(rows, columns - 2)
        before, behind = np.flatnonzero(at > 0), np.flatnonzero(at < columns - 2)  # which have a neighbour there
        row = np.concatenate((before, behind))
        pair = np.concatenate((at[before] - 1, at[behind]))
        ranks[row, pair] = self._rank(ids[row, pair], ids[row, pair + 1])
        return ids, ranks

    def _keys(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        return left * (self._padding + 1) + right

    def _rank(self, left: Ids, right: Ids) -> Ids:
        """How early each pair was learned; _never for a pair that was not."""
        keys = self._keys(left.astype(np.int64), right.astype(np.int64))
        place = np.searchsorted(self._sorted, keys, side="right") - 1  # of a pair learned twice the last one counts
        return np.where(self._sorted[place] == keys, self._ranks[place], np.int32(self._never))
