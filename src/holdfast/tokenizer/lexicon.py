"""Encoding much text fast: every word is encoded once, kept, and found again by array operations.

Prose is the same words over and over, so what a word costs is to look it up. What is in the memory never changes an id,
only how soon it is known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer as Encoder

from holdfast.tokenizer.merging import Ids, Merger
from holdfast.tokenizer.settings import Pattern
from holdfast.tokenizer.words import FOREIGN, Places, block
from holdfast.tokenizer.wordtable import MOST_WORDS, Block, WordTable, read_block

MOST_LONG = 1 << 14
LONGEST_KEPT = 64  # characters: what is longer hardly comes twice
FOREIGN_SHARE = 0.02  # of characters; above it the library alone is no slower

_COUNT_BITS, _COUNT = 8, 255


class Lexicon:
    """The words of one vocabulary met so far, and their ids. For one thread at a time; takes about 30 MB.

    encoder: the library's, for what is no word of common characters. merger: for what is.
    """

    def __init__(self, encoder: Encoder, merger: Merger, pattern: Pattern) -> None:
        self._encoder, self._merger, self._pattern = encoder, merger, pattern
        self._forget()

    def _forget(self) -> None:
        self._table = WordTable()
        self._where = np.full(self._table.size, -1, dtype=np.int64)  # where in _ids a word's begin; in 8 bits how many
        self._where[self._table.nothing] = 0
        self._ids: Ids = np.zeros(1 << 16, dtype=np.int32)
        self._words = self._used = 0
        self._long: dict[str, Ids] = {}

    def encode(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, as the library would find them. Raises TypeError for what has no UTF-8 form."""
        codes = block(texts)
        if np.count_nonzero(codes == FOREIGN) > FOREIGN_SHARE * len(codes):
            return library_batch(self._encoder, texts)
        if self._words > MOST_WORDS:
            self._forget()
        words = read_block(texts, codes, self._pattern)
        slots = self._table.slots(words.low, words.high)
        where = self._where[slots]
        if len(new := np.unique(slots[where < 0])):
            self._learn(new)
            where = self._where[slots]
        count = where & _COUNT
        long = self._encode_long(words)
        count[words.long] = [len(ids) for ids in long]
        stop = np.cumsum(count)
        place = np.repeat((where >> _COUNT_BITS) - stop + count, count) + np.arange(stop[-1])
        found = np.take(self._ids, place, mode="clip")
        for ids, end in zip(long, stop[words.long].tolist(), strict=True):
            found[end - len(ids) : end] = ids
        return np.split(found, stop[words.edges])[1:-1]

    def _learn(self, slots: Places) -> None:
        """Encode the words in these slots, those of one length together, which suits a matrix."""
        slots = slots[np.argsort(self._table.lengths(slots), kind="stable")]
        ids, count = self._merger.encode(self._table.spelled(slots))
        while self._used + len(ids) > len(self._ids):
            self._ids = np.concatenate((self._ids, np.zeros_like(self._ids)))
        self._ids[self._used : self._used + len(ids)] = ids
        self._where[slots] = (self._used + np.cumsum(count) - count) << _COUNT_BITS | count
        self._used += len(ids)
        self._words += len(slots)

    def _encode_long(self, words: Block) -> list[Ids]:
        """The ids of the words that have no key."""
        if len(self._long) > MOST_LONG:
            self._long = {}
        spelled = words.long_texts()
        new = [text for text in dict.fromkeys(spelled) if text not in self._long]
        found = dict(zip(new, library_batch(self._encoder, new), strict=True))
        ids = [found[text] if text in found else self._long[text] for text in spelled]
        self._long.update((text, each) for text, each in found.items() if len(text) <= LONGEST_KEPT)
        return ids


def library_batch(encoder: Encoder, texts: Sequence[str]) -> list[Ids]:
    """The library's ids of each text, found on its threads. Raises TypeError for what has no UTF-8 form."""
    return [np.array(each.ids, dtype=np.int32) for each in encoder.encode_batch_fast(texts, add_special_tokens=False)]
