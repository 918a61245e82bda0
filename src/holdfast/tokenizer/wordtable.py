"""Words as numbers, and a place for each different one, with array operations.

A word of up to 15 codes together with its length is two 64-bit numbers, so that looking one up compares whole words
and can not take one for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.tokenizer.settings import Pattern
from holdfast.tokenizer.words import CHARSET, EDGE, Codes, Flags, Places, cut

Keys = NDArray[np.uint64]

SLOTS_LOG2 = 20
MOST_WORDS = 1 << (SLOTS_LOG2 - 1)  # after which a table is to be emptied; the rest is for the new words of one block

_LONGEST, _HALF = 15, 8  # codes in a key, codes in its first number
_LENGTH_BITS = np.uint64(56)  # the length of a word is the last byte of its second number
_MASKS = np.array([(1 << (8 * length)) - 1 for length in range(_HALF + 1)], dtype=np.uint64)
NOTHING = (np.uint64(EDGE), np.uint64(1) << _LENGTH_BITS)  # the key of one EDGE
_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # large and odd, with bits that look like chance


@dataclass(frozen=True, slots=True)
class Block:
    """A block of texts cut into words.

    starts, length: of each word in `codes`. low, high: its key. long: which words have none, being too long or a
    stretch around FOREIGN characters (`whole`); these have the key of NOTHING.
    """

    texts: Sequence[str]
    codes: Codes
    starts: Places
    length: Places
    long: Places
    whole: Flags
    low: Keys
    high: Keys

    @property
    def edges(self) -> Places:
        """Which words are an EDGE."""
        return np.flatnonzero(self.codes[self.starts] == EDGE)

    def long_texts(self) -> list[str]:
        """The words that have no key."""
        opened = np.flatnonzero(self.codes == EDGE)
        first = self.starts[self.long]
        owner = np.searchsorted(opened, first) - 1
        begin = first - opened[owner] - 1
        stop = begin + self.length[self.long]
        spans = zip(owner.tolist(), begin.tolist(), stop.tolist(), strict=True)
        return [self.texts[text][start:end] for text, start, end in spans]


def read_block(texts: Sequence[str], codes: Codes, pattern: Pattern) -> Block:
    """The words of texts. codes: those of the same texts, as `words.block` gives them."""
    words = cut(codes, pattern)
    length = np.diff(words.starts, append=len(codes))
    long = np.flatnonzero(words.whole | (length > _LONGEST))
    low, high = _keys(codes, words.starts, length)
    low[long], high[long] = NOTHING
    return Block(texts, codes, words.starts, length, long, words.whole[long], low, high)


def _keys(codes: Codes, starts: Places, length: Places) -> tuple[Keys, Keys]:
    """Two numbers that spell a word of at most _LONGEST codes: its first 8 codes; the others, and its length."""
    room = -len(codes) % _HALF + 3 * _HALF
    numbers = np.concatenate((codes, np.zeros(room, dtype=np.uint8))).view("<u8")
    place, shift = starts >> 3, (starts & 7).astype(np.uint64) << np.uint64(3)
    one, two, three = numbers[place], numbers[place + 1], numbers[place + 2]
    rest = np.uint64(63) - shift
    low = (one >> shift) | (two << np.uint64(1) << rest)
    high = (two >> shift) | (three << np.uint64(1) << rest)
    low &= _MASKS[np.minimum(length, _HALF)]
    high &= _MASKS[np.clip(length - _HALF, 0, _HALF - 1)]
    high |= np.minimum(length, _LONGEST).astype(np.uint64) << _LENGTH_BITS
    return low, high


class WordTable:
    """A slot for every different word, by open addressing. NOTHING has one from the start."""

    def __init__(self) -> None:
        self.size = 1 << SLOTS_LOG2
        self._shift = np.uint64(64 - SLOTS_LOG2)
        self._low, self._high = np.zeros(self.size, dtype=np.uint64), np.zeros(self.size, dtype=np.uint64)
        self.nothing = int(self.slots(*(np.array([number]) for number in NOTHING))[0])

    def slots(self, low: Keys, high: Keys) -> Places:
        """The slot of each word; one that was never seen gets an empty one, which has no length."""
        slots = ((low * _MIX[0] + high * _MIX[1]) >> self._shift).astype(np.int64)
        lost = np.flatnonzero((self._low[slots] != low) | (self._high[slots] != high))
        while len(lost):
            at, first, second = slots[lost], low[lost], high[lost]
            empty = self._high[at] == 0
            self._low[at[empty]], self._high[at[empty]] = first[empty], second[empty]
            lost = lost[(self._low[at] != first) | (self._high[at] != second)]
            slots[lost] = (slots[lost] + 1) % self.size
        return slots

    def lengths(self, slots: Places) -> Places:
        """How many characters the words in these slots have."""
        return (self._high[slots] >> _LENGTH_BITS).astype(np.int64)

    def spelled(self, slots: Places) -> list[bytes]:
        """The UTF-8 of the words in these slots."""
        codes = np.stack([self._low[slots], self._high[slots]], axis=1).astype("<u8").tobytes()
        lengths = self.lengths(slots).tolist()
        return [codes[16 * n : 16 * n + length].decode(CHARSET).encode() for n, length in enumerate(lengths)]
