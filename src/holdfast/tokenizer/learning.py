"""Learning the merges of byte-level BPE: the words are counted by array operations, then merged pair by pair.

The rules are those of the `tokenizers` library, so that the same text gives the same merges as there (`teaching.py`
says them in few lines): the commonest pair is merged next; of equally common ones that with the smaller ids; what would
be as long as `longest` bytes is never counted; a pair seen once is not merged. The text is never gone through again:
each merge visits only the places of its pair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, pre_tokenizers

from holdfast.tokenizer.settings import Pattern
from holdfast.tokenizer.vocabulary import PATTERNS, byte_alphabet
from holdfast.tokenizer.words import block
from holdfast.tokenizer.wordtable import MOST_WORDS, WordTable, read_block

LEAST_COUNT = 2

BLOCK_CHARACTERS = 1 << 17
_RIGHT_BITS = 32  # a pair is one number: the left id, and in these bits the right one
_RIGHT = (1 << _RIGHT_BITS) - 1

Places = NDArray[np.int64]


def count_words(texts: Iterable[str], pattern: Pattern) -> Counter[bytes]:
    """How often the texts have each word of the pattern."""
    found: Counter[bytes] = Counter()
    split = pre_tokenizers.Split(Regex(PATTERNS[pattern]), behavior="isolated")
    table, times = WordTable(), np.zeros(0, dtype=np.int64)

    def empty() -> None:
        slots = np.flatnonzero(times)
        for word, count in zip(table.spelled(slots), times[slots].tolist(), strict=True):
            found[word] += count

    for some in _blocks(texts):
        if not len(times) or np.count_nonzero(times) > MOST_WORDS:
            empty()
            table = WordTable()
            times = np.zeros(table.size, dtype=np.int64)
        words = read_block(some, block(some), pattern)
        np.add.at(times, table.slots(words.low, words.high), 1)
        times[table.nothing] = 0
        for text, whole in zip(words.long_texts(), words.whole.tolist(), strict=True):
            cut = [word for word, _ in split.pre_tokenize_str(text)] if whole else [text]
            found.update(word.encode("utf-8") for word in cut)
    empty()
    return found


def _blocks(texts: Iterable[str]) -> Iterable[list[str]]:
    some: list[str] = []
    held = 0
    for text in texts:
        some.append(text)
        held += len(text)
        if held >= BLOCK_CHARACTERS:
            yield some
            some, held = [], 0
    if some:
        yield some


def learn(words: Mapping[bytes, int], size: int, longest: int) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
    """(tokens in the order of their ids, merges in the order in which they apply), for at most `size` tokens.

    words: how often each occurs. The 256 bytes come first, in the order of the characters that stand for them.
    """
    learning = _Learning(words, longest)
    while len(learning.tokens) < size and (pair := learning.commonest()) is not None:
        learning.merge(pair)
    tokens = learning.tokens
    return tokens, [(tokens[pair >> _RIGHT_BITS], tokens[pair & _RIGHT]) for pair in learning.merges]


class _Learning:
    """All different words in a row, a place per symbol, linked to the places before and behind it in the same word."""

    def __init__(self, words: Mapping[bytes, int], longest: int) -> None:
        order = sorted(range(256), key=byte_alphabet().__getitem__)
        self.tokens = [bytes([byte]) for byte in order]
        self.merges: dict[int, int] = {}
        self._ids = {token: place for place, token in enumerate(self.tokens)}
        self._longest = longest
        self._size = np.ones(256, dtype=np.int64)
        some = sorted(words)
        lengths = np.array([len(word) for word in some], dtype=np.int64)
        ids = np.argsort(order).astype(np.int64)
        self._symbol: Places = ids[np.frombuffer(b"".join(some), dtype=np.uint8)]
        self._times = np.repeat(np.array([words[word] for word in some], dtype=np.int64), lengths)
        self._next: Places = np.arange(1, len(self._symbol) + 1)
        self._before: Places = self._next - 2
        ends = np.cumsum(lengths)
        self._next[ends - 1] = -1
        self._before[ends - lengths] = -1
        self._counts: dict[int, int] = {}
        self._places: dict[int, list[Places]] = {}
        self._heap: list[tuple[int, int]] = []
        self._add(np.flatnonzero(self._next >= 0))

    def commonest(self) -> int | None:
        """The pair to merge next. An entry of the heap may be out of date, but never too low."""
        while self._heap:
            count, pair = heappop(self._heap)
            if -count == self._counts[pair]:
                return pair if -count >= LEAST_COUNT else None
            if self._counts[pair] > 0:
                heappush(self._heap, (-self._counts[pair], pair))
        return None

    def merge(self, pair: int) -> None:
        """Make the pair one symbol wherever it stands. Its own count stays as it is, as the library leaves it."""
        symbol, left, right = self._symbol, pair >> _RIGHT_BITS, pair & _RIGHT
        new = self._token(left, right)
        self.merges.pop(pair, None)  # of a pair that comes up again the last rank counts
        self.merges[pair] = new
        at = np.sort(np.concatenate(self._places.pop(pair)))
        at = at[(symbol[at] == left) & (self._next[at] >= 0)]
        at = at[symbol[self._next[at]] == right]
        if left == right:
            at = _every_other(at, self._next[at])
        second = self._next[at]
        behind = self._next[second]
        linked = behind >= 0
        self._remove(_distinct(self._before[at], second[linked]))
        symbol[at], symbol[second] = new, -1
        self._next[at] = behind
        self._before[behind[linked]] = at[linked]
        self._add(_distinct(self._before[at], at[linked]))

    def _token(self, left: int, right: int) -> int:
        """The id of two tokens joined; it may exist already, for `a` + `bc` and `ab` + `c` are one."""
        joined = self.tokens[left] + self.tokens[right]
        if joined not in self._ids:
            self._ids[joined] = len(self.tokens)
            self.tokens.append(joined)
            self._size = np.append(self._size, len(joined))
        return self._ids[joined]

    def _grouped(self, places: Places) -> Iterable[tuple[int, int, Places]]:
        """(pair, how often, its places) of the pairs that begin at places and are not too long."""
        left, right = self._symbol[places], self._symbol[self._next[places]]
        short = self._size[left] + self._size[right] < self._longest
        pairs, places = (left << _RIGHT_BITS | right)[short], places[short]
        if not len(pairs):
            return
        order = np.argsort(pairs, kind="stable")
        pairs, places = pairs[order], places[order]
        first = np.flatnonzero(np.concatenate(([True], pairs[1:] != pairs[:-1])))
        totals = np.add.reduceat(self._times[places], first)
        stops = [*first[1:].tolist(), len(pairs)]
        for pair, total, start, stop in zip(pairs[first].tolist(), totals.tolist(), first.tolist(), stops, strict=True):
            yield pair, total, places[start:stop]

    def _remove(self, places: Places) -> None:
        for pair, total, _ in self._grouped(places):
            self._counts[pair] -= total

    def _add(self, places: Places) -> None:
        for pair, total, some in self._grouped(places):
            self._counts[pair] = count = self._counts.get(pair, 0) + total
            self._places.setdefault(pair, []).append(some)
            heappush(self._heap, (-count, pair))


def _distinct(before: Places, behind: Places) -> Places:
    return np.unique(np.concatenate((before[before >= 0], behind)))


def _every_other(at: Places, following: Places) -> Places:
    """Of overlapping pairs of one symbol with itself, those that are merged from the left: the 1st, 3rd, 5th in a row.
    at: in ascending order."""
    number = np.arange(len(at))
    opens = np.ones(len(at), dtype=np.bool_)
    opens[1:] = at[1:] != following[:-1]
    return at[(number - np.maximum.accumulate(np.where(opens, number, 0))) % 2 == 0]
