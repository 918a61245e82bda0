"""Where a text can be cut, and cutting out of it the passages that hold certain runs of words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 4000  # characters; a longer passage is parted between lines, or else between sentences
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?;])[\"'”’)]*\s+")

Ranges = NDArray[np.int64]


class Cuts:
    """What is to be cut out of many documents. rows: (m, 3) document, begin and end of each passage, in order."""

    def __init__(self, rows: Ranges) -> None:
        self.rows = rows

    def of(self, document: int) -> Ranges:
        """(k, 2) the passages of one document."""
        begin, end = np.searchsorted(self.rows[:, 0], [document, document + 1])
        return self.rows[begin:end, 1:]


NO_CUTS = Cuts(np.zeros((0, 3), np.int64))


def passages(text: str) -> Ranges:
    """(n, 2) begin and end of each passage: a paragraph with the space behind it. Together they are the whole text."""
    return _pairs(_parted(text, 0, len(text), (_PARAGRAPH, _LINE, _SENTENCE)), len(text))


def holding(starts: NDArray[np.int64], hits: NDArray[np.int64], length: int, of: Ranges) -> Ranges:
    """Those passages that a run of `length` words touches.

    starts: (n,) where the words of the text begin. hits: numbers of the words that begin such a run.
    """
    touched = np.unique(np.searchsorted(of[:, 0], starts[(hits[:, None] + np.arange(length)).ravel()], "right") - 1)
    return of[touched]


def without(text: str, ranges: Ranges) -> str:
    """The text without these passages, which are in order and apart."""
    if not len(ranges):
        return text
    kept, at = [], 0
    for begin, end in ranges.tolist():
        kept.append(text[at:begin])
        at = end
    kept.append(text[at:])
    return "".join(kept)


def _parted(text: str, begin: int, end: int, marks: Sequence[re.Pattern[str]]) -> list[int]:
    """Where the passages of text[begin:end] begin: parted at the first kind of mark, and where that is not enough, at
    the next."""
    places = [begin, *(match.end() for match in marks[0].finditer(text, begin, end) if match.end() < end)]
    if len(marks) == 1:
        return places
    found = []
    for start, stop in zip(places, [*places[1:], end], strict=True):
        found += [start] if stop - start <= LONGEST else _parted(text, start, stop, marks[1:])
    return found


def _pairs(places: list[int], end: int) -> Ranges:
    return np.array([*places, end], np.int64)[[[n, n + 1] for n in range(len(places))]].reshape(-1, 2)
