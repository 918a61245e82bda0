"""Words and runs of words as 64-bit hashes, thousands at a time: what every comparison of texts here is made of.

A word is a run of letters and digits, whatever its capitals, accents and the marks around it; in scripts that put no
spaces between words every character is one. Its hash is that of Karp and Rabin (1987): a polynomial in an odd base
modulo 2^64, taken as the difference of two prefix sums, so no loop touches a single word. It keeps apart what people
write; whoever wants two texts to collide can make them.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

BLOCK_CHARACTERS = 1 << 15  # worked on at once, so that all of it stays in the cache of a core
_TABLED = 0x3040  # code points up to here are folded by table; behind are letters of scripts without capitals
_UNSPACED = 0x2E80  # from here on every character is a word
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_STEP = np.uint64(0xBF58476D1CE4E5B9)
_STIR = np.uint64(0x94D049BB133111EB)


class Words(NamedTuple):
    """hashes: (n,) one for each word. starts: (n,) int64, where it begins, in characters."""

    hashes: Hashes
    starts: NDArray[np.int64]


def words(text: str) -> Words:
    """The words of a text."""
    blocks = [_block(text[begin:end], begin) for begin, end in _blocks(text)]
    if not blocks:
        return Words(np.zeros(0, np.uint64), np.zeros(0, np.int64))
    hashes, starts = zip(*blocks, strict=True)
    return Words(np.concatenate(hashes), np.concatenate(starts))


def runs(hashes: Hashes, length: int) -> Hashes:
    """(n - length + 1,) a hash of each run of `length` words; none if there are fewer words.

    Runs of 1, 2, 4, ... words are put together from two of half the length, and any length from those.
    """
    if len(hashes) < length:
        return np.zeros(0, np.uint64)
    count = len(hashes) - length + 1
    found = np.zeros(count, np.uint64)
    power, size, taken = hashes, 1, 0
    factor = _STEP
    while True:
        if length & size:
            found = found * factor + power[taken : taken + count]
            taken += size
        if taken == length:
            return stirred(found)
        power = power[:-size] * factor + power[size:]
        factor = np.uint64(int(factor) ** 2 % (1 << 64))
        size *= 2


def distinct(hashes: Hashes) -> Hashes:
    """(m,) each hash once, in order. NumPy's own `unique` fills a table of them first, which takes several times as
    long as sorting does."""
    ordered = np.sort(hashes)
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def code_points(text: str) -> NDArray[np.uint8 | np.uint32]:
    """(n,) the characters of a text as numbers, in as few bytes as they need."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def stirred(values: Hashes) -> Hashes:
    """Every bit made to depend on every other, as in the last lines of splitmix64 (Steele, Lea and Flood, 2014)."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= _STEP
    mixed ^= mixed >> np.uint64(27)
    mixed *= _STIR
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _blocks(text: str) -> list[tuple[int, int]]:
    """Pieces of a text that end between words if they can."""
    found, begin = [], 0
    while begin < len(text):
        end = begin + BLOCK_CHARACTERS
        if end < len(text):
            end = max(text.rfind(" ", begin, end), text.rfind("\n", begin, end)) + 1 or end
        found.append((begin, end))
        begin = end
    return found


def _block(text: str, begin: int) -> tuple[Hashes, NDArray[np.int64]]:
    codes = code_points(text)
    folded = _folding().take(codes, mode="clip")
    inside = np.zeros(len(codes) + 2, bool)
    inside[1:-1] = folded != 0
    edges = inside[1:] != inside[:-1]
    if codes.itemsize > 1 and (unspaced := codes >= _UNSPACED).any():
        folded = np.where(codes < _TABLED, folded, codes)
        edges[:-1] |= unspaced
        edges[1:] |= unspaced
    starts, ends = np.flatnonzero(edges & inside[1:]), np.flatnonzero(edges & inside[:-1])
    powers, inverses = _powers()
    sums = np.zeros(len(folded) + 1, np.uint64)
    np.cumsum(folded * powers[: len(folded)], out=sums[1:])
    return stirred((sums[ends] - sums[starts]) * inverses[starts]), starts + begin


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """Powers of the base, and of its inverse modulo 2^64, for each place in a block."""
    both = np.ones((2, BLOCK_CHARACTERS + 1), np.uint64)
    both[0, 1:], both[1, 1:] = np.uint64(_BASE), np.uint64(_INVERSE)
    np.cumprod(both, axis=1, out=both)
    return both[0], both[1]


@cache
def _folding() -> Hashes:
    """For each code point the one that stands for it: small, without accents; 0 for what is in no word."""
    table = np.zeros(_TABLED + 1, np.uint64)
    for code in range(_TABLED):
        base = unicodedata.normalize("NFKD", chr(code).casefold())[:1]
        table[code] = ord(base) if base.isalnum() else 0
    table[_TABLED] = _TABLED
    return table
