"""Byte pair encoding to read and learn from: the same merges and the same ids as the fast one, with nothing hidden.

Text is bytes. Learning counts how often each two tokens stand side by side, makes the commonest pair a token of its
own, and does so again until there are enough (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909). Encoding does
the merges again in the order in which they were learned. Text is first cut into words by a pattern, and no pair crosses
from one word to the next, as in GPT-2 (Radford et al. 2019).

This recounts everything after every merge, so give it kilobytes. A test proves it equal to `train.py` and `codec.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from tokenizers import Regex, pre_tokenizers

from holdfast.tokenizer.settings import Pattern
from holdfast.tokenizer.vocabulary import PATTERNS, byte_alphabet

Pair = tuple[int, int]
LONGEST = 31  # bytes in a token: the fast one is told 32 and stays below that
LEAST_COUNT = 2  # a pair seen once teaches nothing


class TeachingBPE:
    """Learned merges. `tokens[i]` is the bytes of id i; `merges[pair]` is (its rank, the id that it becomes)."""

    def __init__(self, pattern: Pattern = "qwen2") -> None:
        self.pattern = pattern
        # Ids of single bytes are in the order of the characters that byte-level BPE writes them as.
        self.tokens = [bytes([byte]) for byte in sorted(range(256), key=byte_alphabet().__getitem__)]
        self.merges: dict[Pair, tuple[int, int]] = {}

    def words(self, text: str) -> list[bytes]:
        """The text cut by the pattern: `it's 12` becomes `it`, `'s`, ` `, `1`, `2`."""
        split = pre_tokenizers.Split(Regex(PATTERNS[self.pattern]), behavior="isolated")
        return [word.encode("utf-8") for word, _ in split.pre_tokenize_str(text)]

    def spelled(self, word: bytes) -> list[int]:
        """A word as the ids of its bytes: where both learning and encoding begin."""
        return [self.tokens.index(bytes([byte])) for byte in word]

    def learn(self, texts: Iterable[str], vocab_size: int) -> None:
        """Merge the commonest pair until there are `vocab_size` tokens, or no pair is left that is seen twice.

        Each different word is looked at once and counts as often as it occurs. Of equally common pairs the one with the
        smaller ids is taken, the left one first.
        """
        times = Counter(word for text in texts for word in self.words(text))
        words = {word: self.spelled(word) for word in times}
        too_long: set[Pair] = set()
        while len(self.tokens) < vocab_size:
            counts = self.count(words, times)
            candidates = [pair for pair in counts if pair not in too_long and counts[pair] >= LEAST_COUNT]
            if not candidates:
                return
            pair = min(candidates, key=lambda pair: (-counts[pair], pair))
            joined = self.tokens[pair[0]] + self.tokens[pair[1]]
            if len(joined) > LONGEST:
                too_long.add(pair)
                continue
            if joined not in self.tokens:  # `a`+`bc` and `ab`+`c` are one token
                self.tokens.append(joined)
            self.merges[pair] = (len(self.merges), self.tokens.index(joined))
            words = {word: self.merge(ids, pair) for word, ids in words.items()}

    def count(self, words: dict[bytes, list[int]], times: Counter[bytes]) -> Counter[Pair]:
        """How often each pair of neighbours occurs in all the text."""
        counts: Counter[Pair] = Counter()
        for word, ids in words.items():
            for pair in pairwise(ids):
                counts[pair] += times[word]
        return counts

    def merge(self, ids: list[int], pair: Pair) -> list[int]:
        """The ids with every occurrence of the pair made one, from the left."""
        merged, place = [], 0
        while place < len(ids):
            if tuple(ids[place : place + 2]) == pair:
                merged.append(self.merges[pair][1])
                place += 2
            else:
                merged.append(ids[place])
                place += 1
        return merged

    def encode(self, text: str) -> list[int]:
        """In each word the pair that was learned first is merged first, until none is left that was ever learned."""
        found = []
        for word in self.words(text):
            ids = self.spelled(word)
            while known := [pair for pair in pairwise(ids) if pair in self.merges]:
                ids = self.merge(ids, min(known, key=lambda pair: self.merges[pair]))
            found += ids
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """The text behind ids."""
        return b"".join(self.tokens[place] for place in ids).decode("utf-8", "replace")
