"""Encoding much text fast: every word is encoded once by the library, kept, and found again by array operations.

Prose is the same words over and over, so what a word costs is to look it up. A word of up to 15 codes together with
its length is two 64-bit numbers, so a look-up compares whole words and can not take one for another. What is in the
memory never changes an id, only how soon it is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as Encoder

from holdfast.tokenizer.merging import Ids, Merger
from holdfast.tokenizer.settings import Pattern
from holdfast.tokenizer.words import CHARSET, EDGE, FOREIGN, Codes, Places, Words, block, cut

_Keys = NDArray[np.uint64]

SLOTS_LOG2 = 20
MOST_WORDS = 1 << (SLOTS_LOG2 - 1)  # then all is forgotten; the rest is for the new words of one block
MOST_LONG = 1 << 14
LONGEST_KEPT = 64  # characters: what is longer hardly comes twice
FOREIGN_SHARE = 0.02  # of characters; above it the library alone is no slower

_LONGEST, _HALF = 15, 8  # codes in a key, codes in its first number
_LENGTH_BITS = np.uint64(56)  # the length of a word is the last byte of its second number
_MASKS = np.array([(1 << (8 * length)) - 1 for length in range(_HALF + 1)], dtype=np.uint64)
_NOTHING = (np.uint64(EDGE), np.uint64(1) << _LENGTH_BITS)  # the key of one EDGE, which has no ids
_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # large and odd, with bits that look like chance
_COUNT_BITS, _COUNT = 8, 255


class Lexicon:
    """The words of one vocabulary met so far, and their ids. For one thread at a time; takes about 30 MB.

    encoder: the library's, for what is no word of common characters. merger: for what is.
    """

    def __init__(self, encoder: Encoder, merger: Merger, pattern: Pattern) -> None:
        self._encoder, self._merger, self._pattern = encoder, merger, pattern
        self._forget()

    def _forget(self) -> None:
        slots = 1 << SLOTS_LOG2
        self._low, self._high = np.zeros(slots, dtype=np.uint64), np.zeros(slots, dtype=np.uint64)
        self._where = np.full(slots, -1, dtype=np.int64)  # where in _ids a word's ids begin, and in 8 bits how many
        self._ids: Ids = np.zeros(1 << 16, dtype=np.int32)
        self._words = self._used = 0
        self._long: dict[str, Ids] = {}
        self._where[self._slots(*(np.array([number]) for number in _NOTHING))] = 0

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, as the library would find them. Raises TypeError for what has no UTF-8 form."""
        codes = block(texts)
        if np.count_nonzero(codes == FOREIGN) > FOREIGN_SHARE * len(codes):
            return library_batch(self._encoder, texts)
        if self._words > MOST_WORDS:
            self._forget()
        words = cut(codes, self._pattern)
        length = np.diff(words.starts, append=len(codes))
        long = np.flatnonzero(words.whole | (length > _LONGEST))
        low, high = _keys(codes, words.starts, length)
        low[long], high[long] = _NOTHING
        slots = self._slots(low, high)
        where = self._where[slots]
        if len(new := np.unique(slots[where < 0])):
            self._learn(new)
            where = self._where[slots]
        count = where & _COUNT
        extra = self._encode_long(texts, codes, words, length, long)
        count[long] = [len(each) for each in extra]
        stop = np.cumsum(count)
        place = np.repeat((where >> _COUNT_BITS) - stop + count, count) + np.arange(stop[-1])
        ids = np.take(self._ids, place, mode="clip")
        for each, end in zip(extra, stop[long].tolist(), strict=True):
            ids[end - len(each) : end] = each
        return np.split(ids, stop[np.flatnonzero(codes[words.starts] == EDGE)])[1:-1]

    def _slots(self, low: _Keys, high: _Keys) -> Places:
        """The slot of each word; one that was never seen gets an empty one."""
        slots = ((low * _MIX[0] + high * _MIX[1]) >> np.uint64(64 - SLOTS_LOG2)).astype(np.int64)
        lost = np.flatnonzero((self._low[slots] != low) | (self._high[slots] != high))
        while len(lost):
            at, first, second = slots[lost], low[lost], high[lost]
            empty = self._high[at] == 0
            self._low[at[empty]], self._high[at[empty]] = first[empty], second[empty]
            lost = lost[(self._low[at] != first) | (self._high[at] != second)]
            slots[lost] = (slots[lost] + 1) % len(self._low)
        return slots

    def _learn(self, slots: Places) -> None:
        """Encode the words in these slots."""
        keys = np.stack([self._low[slots], self._high[slots]], axis=1)
        lengths = (keys[:, 1] >> _LENGTH_BITS).tolist()
        spelled = keys.astype("<u8").tobytes()
        words = [spelled[16 * n : 16 * n + length].decode(CHARSET).encode() for n, length in enumerate(lengths)]
        ids, count = self._merger.encode(words)
        while self._used + len(ids) > len(self._ids):
            self._ids = np.concatenate((self._ids, np.zeros_like(self._ids)))
        self._ids[self._used : self._used + len(ids)] = ids
        self._where[slots] = (self._used + np.cumsum(count) - count) << _COUNT_BITS | count
        self._used += len(ids)
        self._words += len(slots)

    def _encode_long(self, texts: Sequence[str], codes: Codes, words: Words, length: Places, long: Places) -> list[Ids]:
        """The ids of the words too long for a key, and of the stretches that hold FOREIGN characters."""
        opened = np.flatnonzero(codes == EDGE)
        first = words.starts[long]
        owner = np.searchsorted(opened, first) - 1
        begin = first - opened[owner] - 1
        spelled = [
            texts[text][start:stop]
            for text, start, stop in zip(owner.tolist(), begin.tolist(), (begin + length[long]).tolist(), strict=True)
        ]
        if len(self._long) > MOST_LONG:
            self._long = {}
        new = [text for text in dict.fromkeys(spelled) if text not in self._long]
        found = dict(zip(new, library_batch(self._encoder, new), strict=True))
        ids = [found[text] if text in found else self._long[text] for text in spelled]
        self._long.update((text, each) for text, each in found.items() if len(text) <= LONGEST_KEPT)
        return ids


def _keys(codes: Codes, starts: Places, length: Places) -> tuple[_Keys, _Keys]:
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


def library_batch(encoder: Encoder, texts: Sequence[str]) -> list[Ids]:
    """The library's ids of each text, found on its threads. Raises TypeError for what has no UTF-8 form."""
    return [np.array(each.ids, dtype=np.int32) for each in encoder.encode_batch_fast(texts, add_special_tokens=False)]
