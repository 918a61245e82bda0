"""Paragraphs that several texts have: the first is kept, the later ones are cut out.

Off unless asked for. What repeats is often a licence, a list of the publisher's books or a page header, but a chorus, a
prayer or a proverb repeats as well, and a text is worse for the gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.text.dedup.passages import passages
from holdfast.text.dedup.shingles import Hashes, Words, runs, stirred

LEAST_WORDS = 20  # shorter ones are headings, names of speakers, refrains
HELD = 1 << 22  # rows looked at in one go, 32 bytes each
NEAR_WORDS = 3
_ROW = 4


class Marked(NamedTuple):
    """The longer paragraphs of a text. keys: (n,) what is compared. ranges: (n, 2) begin and end, in characters."""

    keys: Hashes
    ranges: NDArray[np.int64]

    def rows(self, document: int) -> bytes:
        """As they are kept on the disk, with the number of the document: four words of 64 bits each."""
        numbers = np.full(len(self.keys), document)
        return np.column_stack([self.keys, numbers.astype(np.uint64), self.ranges.astype(np.uint64)]).tobytes()


def marked(text: str, words: Words, near: bool) -> Marked:
    """The paragraphs of a text that are long enough, each with its key: equal for paragraphs of the same words.

    near: equal for many paragraphs that differ in a word or two: the four smallest hashes of their three-word runs
    (a min-hash of one band; Broder, 1997). Two paragraphs that share 95 % of these have the same key with a chance of
    about 80 %; two that share half, with 6 %: of what is found, some only look alike.
    """
    of = passages(text)
    first = np.searchsorted(words.starts, of[:, 0])
    last = np.append(first[1:], len(words.starts))
    long = last - first >= LEAST_WORDS
    key = _near_key if near else _exact_key
    keys = [key(words.hashes[begin:end]) for begin, end in zip(first[long], last[long], strict=True)]
    return Marked(np.array(keys, np.uint64), of[long])


def _exact_key(hashes: Hashes) -> np.uint64:
    places = np.arange(1, 2 * len(hashes), 2, dtype=np.uint64)
    return np.uint64(stirred(hashes * places).sum())


def _near_key(hashes: Hashes) -> np.uint64:
    found = runs(hashes, NEAR_WORDS)
    return _exact_key(np.sort(np.partition(found, 3)[:4]))


def repeated(paths: Sequence[Path], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(m, 3) document, begin and end of each paragraph that an earlier document has; in order. Raises OSError.

    kept: (n,) which documents count. The keys are gone through in ranges, one range at a time in memory.
    """
    total = sum(path.stat().st_size for path in paths) // (8 * _ROW)
    ranges = 1 + total // HELD
    found = [np.zeros((0, _ROW - 1), np.int64)]
    for number in range(ranges):
        held = [np.zeros((0, _ROW), np.uint64)]
        for path in paths:
            rows = np.fromfile(path, np.uint64).reshape(-1, _ROW)
            held.append(rows[(rows[:, 0] % np.uint64(ranges) == number) & kept[rows[:, 1].astype(np.int64)]])
        found.append(_later(np.concatenate(held)))
    every = np.concatenate(found)
    return every[np.lexsort((every[:, 1], every[:, 0]))]


def _later(rows: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Those whose key is first met in another document."""
    _, first, inverse = np.unique(rows[:, 0], return_index=True, return_inverse=True)
    later = rows[first, 1][inverse] != rows[:, 1]
    found: NDArray[np.int64] = rows[later, 1:].astype(np.int64)
    return found
