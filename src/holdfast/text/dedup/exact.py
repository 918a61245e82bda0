"""Exact copies: texts that are the same but for white space and capitals."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from holdfast.text.dedup.shingles import code_points

_SPACES = b" \t\n\r\v\f"
_BLOCK_CHARACTERS = 1 << 15
_LAST_SPACE = 0x3000  # of Unicode


def digest(text: str) -> tuple[int, int]:
    """128 bits of the SHA-256 of a text without its spaces and line ends, A to Z as small letters."""
    data = text.encode("utf-8").lower().translate(None, _SPACES)
    found = hashlib.sha256(data).digest()
    return int.from_bytes(found[:8], "big"), int.from_bytes(found[8:16], "big")


def count_words(text: str) -> int:
    """Words separated by white space: what `len(text.split())` is, in a third of the time."""
    count, inside = 0, False
    for begin in range(0, len(text), _BLOCK_CHARACTERS):
        ink = _ink().take(code_points(text[begin : begin + _BLOCK_CHARACTERS]), mode="clip")
        count += int(np.count_nonzero(ink[1:] & ~ink[:-1])) + bool(ink[0] and not inside)
        inside = bool(ink[-1])
    return count


@cache
def _ink() -> NDArray[np.bool_]:
    """For each code point whether it is anything but white space; the last stands for all behind."""
    return np.array([not chr(code).isspace() for code in range(_LAST_SPACE + 1)] + [True])


def originals(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each text the index of the first text with the same digest: its own where it is the first.

    digests: (n, 2).  Returns (n,).
    """
    if not len(digests):
        return np.zeros(0, np.int64)
    order = np.lexsort((np.arange(len(digests)), digests[:, 1], digests[:, 0]))
    ordered = digests[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(order), np.int64)
    first[order] = order[new][np.cumsum(new) - 1]
    return first
