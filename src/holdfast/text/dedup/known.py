"""A set of hashes that millions can be looked up in: most are told apart by one look at a table that fits the cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.text.dedup.shingles import Hashes

_TABLE_BITS = (10, 26)  # smallest and largest: 64 MiB
_SPARSE = 4  # places in the table for each hash, as a power of 2


class Known:
    """hashes: (n,) in order, each once."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = hashes
        bits = min(max(_TABLE_BITS[0], len(hashes).bit_length() + _SPARSE), _TABLE_BITS[1])
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, bool)
        self._table[hashes >> self._shift] = True

    def find(self, asked: Hashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(numbers of the asked that are known, their numbers in `hashes`)."""
        maybe = np.flatnonzero(self._table[asked >> self._shift])
        if not len(maybe):
            return maybe, maybe
        places = np.searchsorted(self.hashes, asked[maybe])
        places[places == len(self.hashes)] = 0
        found = self.hashes[places] == asked[maybe]
        return maybe[found], places[found]
