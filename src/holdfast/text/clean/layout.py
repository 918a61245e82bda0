"""Steps that look at white space and lines, and at no letter."""

from __future__ import annotations

import re
from itertools import pairwise

_ODD_SPACES = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_ASCII_SPACES = "\t\v\f\r\x1c\x1d\x1e\x1f "
_NO_WIDTH = re.compile("[\u200b\u2060]")
_WIDE = re.compile(r"(?<=[^\s]) {2,}(?=\S)")

NARROWEST_WRAP, WIDEST_WRAP = 55, 90  # widths at which prose is wrapped by hand; verse is narrower, paragraphs wider
RAGGED = 4  # characters by which old wrapping falls short of its own width


def trailing(text: str) -> str:
    """No white space at line ends."""
    if text.isascii() and not any(f"{space}\n" in text or text.endswith(space) for space in _ASCII_SPACES):
        return text
    return "\n".join([line.rstrip() for line in text.split("\n")])


def spaces(text: str) -> str:
    """One plain space between words. Indentation stays."""
    if not text.isascii():
        text = _NO_WIDTH.sub("", text)
    if "\t" in text or not text.isascii():
        text = _ODD_SPACES.sub(" ", text)
    return _WIDE.sub(" ", text) if "  " in text else text


def blank_lines(text: str) -> str:
    """At most one empty line in a row, none at the start, at most the newline of the last line at the end."""
    text = text.lstrip("\n")
    while "\n\n\n" in text:  # a third less each time: sooner done than by a pattern
        text = text.replace("\n\n\n", "\n\n")
    return text[:-1] if text.endswith("\n\n") else text


def unwrap(text: str) -> str:
    """Paragraphs wrapped by hand become one line each; verse, tables and everything indented stay as they are."""
    return "\n\n".join([_unwrapped(block) for block in text.split("\n\n")])


def _unwrapped(block: str) -> str:
    """One line if each break stands where the next word would not have fitted, else the block as it is."""
    lines = block.strip("\n").split("\n")
    width = max(map(len, lines))
    if len(lines) < 2 or not NARROWEST_WRAP <= width <= WIDEST_WRAP:
        return block
    joined = [lines[0]]
    for line, following in pairwise(lines):
        word, _, _ = following.partition(" ")
        if not word or word[0] == "\t" or len(line) + 1 + len(word) <= width - RAGGED:
            return block
        joined.append(following if line.endswith("-") else " " + following)
    return block.replace("\n".join(lines), "".join(joined))
