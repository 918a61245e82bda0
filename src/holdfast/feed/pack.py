"""Two ways to see a stream of documents as rows of `context_length` inputs, each with the target that follows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.base.records import Batch
from holdfast.feed.shards import Shards


class Windows:
    """Row k is the stream from k * T on: T inputs and the T targets after them, whatever documents they belong to.

    Every token but the stream's first is a target once. The last row is padded; T = context_length.
    """

    def __init__(self, shards: Shards, context_length: int, pad_id: int) -> None:
        self.shards = shards
        self.context_length = context_length
        self.pad_id = pad_id
        self.rows = -(-(shards.tokens - 1) // context_length)
        first = int(shards.learned_at(np.array([0])).sum())
        self.trained_tokens = shards.trained_tokens - first

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """Rows by number, shape (B,), as a Batch of (B, T) without segments."""
        positions = rows[:, None] * self.context_length + np.arange(self.context_length + 1)
        beyond = positions >= self.shards.tokens
        positions[beyond] = 0
        ids = self.shards.ids_at(positions)
        ids[beyond] = self.pad_id
        targets = ids[:, 1:].copy()
        targets[beyond[:, 1:]] = -1
        if self.shards.masked:
            targets[~self.shards.learned_at(positions[:, 1:])] = -1
        return Batch(ids[:, :-1].copy(), targets)


class Documents:
    """Documents cut into pieces of at most T inputs, the pieces packed into rows so that little is padding.

    A piece of n inputs has n targets, all from its own document: every token but a document's first is a target once.
    Pieces of a row are numbered as segments, and padding has a number of its own.
    """

    def __init__(self, shards: Shards, context_length: int, pad_id: int) -> None:
        self.shards = shards
        self.context_length = context_length
        self.pad_id = pad_id
        starts, lengths = cut(shards.starts, shards.lengths, context_length)
        row_of = best_fit(lengths, context_length)
        order = np.argsort(row_of, kind="stable")
        self._starts, self._lengths = starts[order], lengths[order]
        self._first = np.concatenate(([0], np.cumsum(np.bincount(row_of)))).astype(np.int64)  # piece that opens a row
        self.rows = len(self._first) - 1 if len(lengths) else 0
        never = int(shards.learned_at(shards.starts).sum())
        self.trained_tokens = shards.trained_tokens - never

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """Rows by number, shape (B,), as a Batch of (B, T) with segments."""
        shape = len(rows), self.context_length
        count = self._first[rows + 1] - self._first[rows]  # pieces in each row
        place = _counted(count)  # 0, 1, ... within each row
        pieces = np.repeat(self._first[rows], count) + place
        lengths = self._lengths[pieces]
        within = _counted(lengths)
        sources = np.repeat(self._starts[pieces], lengths) + within
        row_tokens = np.add.reduceat(lengths, np.cumsum(count) - count)
        # pieces of a row stand side by side from its first column on
        cells = np.repeat(np.arange(len(rows)) * self.context_length, row_tokens) + _counted(row_tokens)

        inputs = np.full(shape, self.pad_id, dtype=np.int64)
        targets = np.full(shape, -1, dtype=np.int64)
        segments = np.repeat(count, self.context_length).reshape(shape)
        inputs.flat[cells] = self.shards.ids_at(sources)
        following = self.shards.ids_at(sources + 1)
        if self.shards.masked:
            following[~self.shards.learned_at(sources + 1)] = -1
        targets.flat[cells] = following
        segments.flat[cells] = np.repeat(place, lengths)
        return Batch(inputs, targets, segments)


def _counted(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0..n-1 for each n in `lengths`, one after another."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def cut(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], capacity: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(starts, lengths) of the pieces of documents, in inputs. A document of n tokens has n - 1 inputs, as its last
    token is only a target; they are cut into full pieces and one rest."""
    inputs = lengths - 1
    count = -(-inputs // capacity)
    offset = _counted(count) * capacity
    return np.repeat(starts, count) + offset, np.minimum(np.repeat(inputs, count) - offset, capacity)


def best_fit(lengths: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    """The row of each piece by best-fit decreasing: longest first, each into the fullest row that still has room.

    Lengths are 1..capacity. Pieces of one length are placed together, so the cost is that of sorting plus, in Python,
    a few steps per distinct length; a row takes as many of them as fit before the next row is tried, which is what
    placing them one by one would do.
    """
    counts = np.bincount(lengths, minlength=capacity + 1)
    rooms = np.zeros(capacity + 1, dtype=np.int64)  # how many open rows have so much room
    open_rows: list[list[NDArray[np.int64]]] = [[] for _ in range(capacity + 1)]
    placed: list[NDArray[np.int64]] = []
    made = 0
    for length in np.flatnonzero(counts)[::-1].tolist():
        left = int(counts[length])
        while left:
            fitting = np.flatnonzero(rooms[length:])
            room = length + int(fitting[0]) if len(fitting) else capacity
            each = room // length
            if len(fitting):
                candidates = np.concatenate(open_rows[room])
            else:
                candidates = np.arange(made, made + -(-left // each))
                made += len(candidates)
            used, kept = candidates[: -(-left // each)], candidates[-(-left // each) :]
            rows = np.repeat(used, each)[:left]
            placed.append(rows)
            left -= len(rows)
            in_last = len(rows) - each * (len(used) - 1)
            open_rows[room], rooms[room] = [kept], len(kept)
            for changed, rest in ((used[:-1], room - each * length), (used[-1:], room - in_last * length)):
                if len(changed):
                    open_rows[rest].append(changed)
                    rooms[rest] += len(changed)
    rows_of = np.empty(len(lengths), dtype=np.int64)
    if placed:
        rows_of[np.argsort(-lengths, kind="stable")] = np.concatenate(placed)
    return rows_of
