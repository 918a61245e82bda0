"""Which texts are so alike that one is enough, and which are editions of one work.

Candidates are found by locality-sensitive hashing (Indyk and Motwani, 1998; Broder, 1997): 42 times three numbers of
each sketch are put together to a key, and texts with the same key are compared. Texts that share half of what they have
meet with a chance of 99.6 %, those that share a third with 79 %, and unrelated ones hardly ever. Keys are sorted, so
the work grows with the number of texts and not with that of pairs: within a key each text is compared with the first
and with the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.text.dedup.shingles import stirred
from holdfast.text.dedup.sketch import NOTHING, PLACES, Sketch, alike, filled

BAND = 3
BANDS = PLACES // BAND
EDITION = (
    0.3  # unrelated texts of the eighteenth and nineteenth centuries stay below 0.03, versions of one speech at 0.12
)
SHORT_WORDS, SHORT_SHARE = 500, 0.8
MOST_EDITIONS = 64  # more texts than that, tied by likeness alone, are a form that was filled in, not a work
HELD_BYTES = 128 << 20
_COMPARED = 1 << 14  # pairs at once
_READ = 1 << 13  # rows at once


class Pairs(NamedTuple):
    """Texts that are alike. first, second: (n,) int64 numbers, first < second, in order. share: (n,) how much."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    share: NDArray[np.float64]


NO_PAIRS = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


class Sketches:
    """The sketches of all texts, in files of whole rows: on the disk, since they are a tenth of short texts."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.maps = [_mapped(path) for path in paths]
        self.begins = np.cumsum([0, *map(len, self.maps)])

    def __len__(self) -> int:
        return int(self.begins[-1])

    def rows(self, wanted: NDArray[np.int64]) -> Sketch:
        """(n, 128) the sketches of these texts."""
        found = np.empty((len(wanted), PLACES), np.uint32)
        part = np.searchsorted(self.begins, wanted, "right") - 1
        for number in np.unique(part):
            here = part == number
            found[here] = self.maps[number][wanted[here] - self.begins[number]]
        return found

    def keys(self, of: NDArray[np.bool_]) -> Iterator[NDArray[np.uint64]]:
        """For each band the (n,) keys of the chosen texts; as many bands at a time as the memory has room for."""
        count = int(of.sum())
        at_once = max(1, min(BANDS, HELD_BYTES // (8 * max(1, count))))
        for band in range(0, BANDS, at_once):
            bands = range(band, min(band + at_once, BANDS))
            keys = np.empty((len(bands), count), np.uint64)
            done = 0
            for some in self._blocks(of):
                full = filled(some)
                for number, each in enumerate(bands):
                    keys[number, done : done + len(full)] = _key(full[:, each * BAND : (each + 1) * BAND])
                done += len(full)
            yield from keys

    def _blocks(self, of: NDArray[np.bool_]) -> Iterator[Sketch]:
        """The rows of the chosen texts, some at a time."""
        for rows, begin in zip(self.maps, self.begins.tolist(), strict=False):
            for at in range(0, len(rows), _READ):
                some = rows[at : at + _READ]
                yield some[of[begin + at : begin + at + len(some)]]


def pairs(sketches: Sketches, of: NDArray[np.bool_], least: float) -> Pairs:
    """The chosen texts that are at least so alike, as far as their keys bring them together.

    of: (n,) bool, texts that are compared at all.
    """
    numbers = np.flatnonzero(of)
    found: dict[tuple[int, int], float] = {}
    for keys in sketches.keys(of):
        first, second = _meetings(keys)
        for begin in range(0, len(first), _COMPARED):
            one, other = numbers[first[begin : begin + _COMPARED]], numbers[second[begin : begin + _COMPARED]]
            share = alike(sketches.rows(one), sketches.rows(other))
            good = share >= least
            found.update(zip(zip(one[good].tolist(), other[good].tolist(), strict=True), share[good], strict=True))
    ordered = sorted(found)
    ends = np.array(ordered, np.int64).reshape(-1, 2)
    return Pairs(ends[:, 0], ends[:, 1], np.array([found[pair] for pair in ordered], np.float64))


def superseded(words: NDArray[np.int64], found: Pairs, least: float) -> NDArray[np.int64]:
    """(n,) for each text the earlier one that it repeats, or its own number where it is kept.

    words: (n,) how long the texts are. Two long texts that share half of what they have are versions of one text, two
    short ones may be a form that was filled in twice: of these at least `SHORT_SHARE` must be shared.

    A text is left out for one that stays, never for one that is left out itself: likeness does not add up.
    """
    kept = np.arange(len(words))
    short = np.minimum(words[found.first], words[found.second]) < SHORT_WORDS
    enough = found.share >= np.where(short, max(least, SHORT_SHARE), least)
    order = np.lexsort((found.first, found.second))
    for number in order[enough[order]].tolist():
        first, second = found.first[number], found.second[number]
        if kept[second] == second and kept[first] == first:
            kept[second] = first
    return kept


def joined(count: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,) for each text the smallest number among all that pairs join it to, over any number of steps."""
    roots = np.arange(count)
    while True:
        low = np.minimum(roots[first], roots[second])
        before = roots.copy()
        np.minimum.at(roots, roots[first], low)
        np.minimum.at(roots, roots[second], low)
        while not np.array_equal(roots, shorter := roots[roots]):
            roots = shorter
        if np.array_equal(roots, before):
            return roots


def editions(words: NDArray[np.int64], found: Pairs) -> NDArray[np.int64]:
    """(n,) a number that is equal for editions of one work: long texts joined by likeness, and not too many."""
    long = np.minimum(words[found.first], words[found.second]) >= SHORT_WORDS
    roots = joined(len(words), found.first[long], found.second[long])
    many = np.bincount(roots, minlength=len(words)) > MOST_EDITIONS
    return np.where(many[roots], np.arange(len(words)), roots)


def _meetings(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs with the same key: each with the first of its key, and with the one before it. Key 0 meets nobody."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)) + 1
    begins = np.ones(len(order), bool)
    begins[same] = False
    head = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))[same]
    beyond = same[head != same - 1]
    return np.concatenate([order[head], order[beyond - 1]]), np.concatenate([order[same], order[beyond]])


def _key(places: Sketch) -> NDArray[np.uint64]:
    """(n,) one number for each row of places; 0 for texts too short to have any."""
    key = np.zeros(len(places), np.uint64)
    for column in places.T:
        key = stirred(key ^ column)
    return np.where((places == NOTHING).all(axis=1), np.uint64(0), key)


def _mapped(path: Path) -> Sketch:
    if not path.stat().st_size:
        return np.zeros((0, PLACES), np.uint32)
    return np.memmap(path, "<u4", "r").reshape(-1, PLACES)
