"""Exact copies: texts that are the same but for white space and capitals."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

DIGEST_WORDS = 2  # of 64 bits: among a billion texts, one false copy in 10^20


def words_and_digest(text: str) -> tuple[int, tuple[int, int]]:
    """(number of words, 128 bits of the SHA-256 of the normalised text)."""
    words = text.split()
    digest = hashlib.sha256(" ".join(words).lower().encode("utf-8")).digest()
    return len(words), (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big"))


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
