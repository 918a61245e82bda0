"""Cutting long texts into pieces that can be encoded one by one and joined again.

Cutting bounds memory (the library keeps some hundred bytes per token while it works), lets one long novel use all
threads, and keeps a run of millions of spaces below the limit at which the library's regex engine gives up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PIECE_CHARACTERS = 1 << 16
LONGEST_CHARACTERS = 1 << 19

# In each word pattern a letter or digit before whitespace ends a word, and none looks back, so cutting between the two
# gives the same ids as not cutting.
_BETWEEN_WORDS = re.compile(r"(?<=[^\W_])[ \n]")


def pieces(text: str, piece: int = PIECE_CHARACTERS, longest: int = LONGEST_CHARACTERS) -> Iterator[str]:
    """The text in order, in pieces of about `piece` characters, cut between words. Where no such place comes before
    `longest` characters (one endless word), it is cut there: lossless, though the ids around that cut may differ."""
    start = 0
    while len(text) - start > piece:
        found = _BETWEEN_WORDS.search(text, start + piece, start + longest + 1)
        stop = found.start() if found else start + longest
        yield text[start:stop]
        start = stop
    if start < len(text):
        yield text[start:]
