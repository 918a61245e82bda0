"""Randomness as a value: every draw is named by what it is for, so no generator state has to be saved or restored."""

from __future__ import annotations

import xxhash


def draw(seed: int, *purpose: str | int) -> int:
    """A 63-bit number that is a pure function of the run's seed and of what it is drawn for.

    A retried step, a resumed run and an unbroken one ask with the same words and get the same number.
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return xxhash.xxh3_64_intdigest(text.encode("utf-8")) >> 1
