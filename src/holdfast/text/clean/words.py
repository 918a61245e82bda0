"""The words of a document: the dictionary that belongs to it, and the only one that is always at hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Set

# Letters, with apostrophes and hyphens inside: don't, well-known.
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def counted(text: str) -> Counter[str]:
    """How often each word occurs."""
    return Counter(_WORD.findall(text.lower()))


def read_words(text: str) -> Set[str]:
    """The words of a list with one on each line; what is no word is passed over."""
    return frozenset(word for line in text.splitlines() if _WORD.fullmatch(word := line.strip().lower()))


def listed(words: str) -> frozenset[str]:
    """Words written one behind the other."""
    return frozenset(words.split())
