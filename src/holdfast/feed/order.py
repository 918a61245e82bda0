"""A shuffle that is never stored: any place in the endless shuffled sequence is computed by itself.

The keyed permutation is a Feistel network (Luby and Rackoff 1988) on a rectangle a x b that just holds n, with cycle
walking for the few cells beyond n (Black and Rogaway 2002).
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from holdfast.base.draws import draw

ROUNDS = 8


def shuffled(positions: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """The samples in 0..n-1 at `positions` (any shape, >= 0) of the endless sequence in which each stretch of n, an
    epoch, holds every sample once in an order of its own."""
    epochs, places = np.divmod(positions, n)
    samples = np.empty_like(places)
    for epoch in np.unique(epochs):
        chosen = epochs == epoch
        samples[chosen] = permute(places[chosen], n, _keys(seed, int(epoch)))
    return samples


def permute(places: NDArray[np.int64], n: int, keys: tuple[int, ...]) -> NDArray[np.int64]:
    """A bijection of 0..n-1 fixed by `keys`, evaluated at `places` (1-D)."""
    height = isqrt(n - 1) + 1  # the rounded-up root
    width = -(-n // height)
    result = _feistel(places.astype(np.uint64), height, width, keys)
    while len(outside := np.flatnonzero(result >= n)):
        result[outside] = _feistel(result[outside], height, width, keys)
    return result.astype(np.int64)


def _feistel(cells: NDArray[np.uint64], height: int, width: int, keys: tuple[int, ...]) -> NDArray[np.uint64]:
    a, b = np.uint64(height), np.uint64(width)
    row, column = np.divmod(cells, b)
    for first, second in zip(keys[::2], keys[1::2], strict=True):
        row = (row + _mix(column, first) % a) % a
        column = (column + _mix(row, second) % b) % b
    return row * b + column


def _mix(values: NDArray[np.uint64], key: int) -> NDArray[np.uint64]:
    """Each value to 64 bits that look random (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = values ^ np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@lru_cache(maxsize=16)
def _keys(seed: int, epoch: int) -> tuple[int, ...]:
    return tuple(draw(seed, "order", epoch, number) for number in range(ROUNDS))
