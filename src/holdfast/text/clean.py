"""Cleaning: ordered, pure, named, versioned steps. Clean text passes unchanged, and twice is the same as once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

StepName = Literal["newlines", "controls", "nfc", "trailing", "boilerplate", "blank_lines", "unwrap"]


class Step(NamedTuple):
    """A function from text to text. The version rises whenever its result changes for any text."""

    version: int
    apply: Callable[[str], str]


_BREAKS = {"\r\n": "\n", "\r": "\n", "\f": "\n", "\v": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_BLANK_LINES = re.compile(r"\n{3,}")

_EDGE = re.compile(
    r"^\*{3}[ ]?(?P<edge>START|END) OF (?:THE|THIS) PROJECT GUTENBERG E-?(?:BOOK|TEXT)[^\n]*(?:\n[^\n*]+)?\*{3}[ ]*$",
    re.MULTILINE | re.IGNORECASE,
)
_CREDITS = re.compile(
    r"\A\s*(?:(?:Text file )?Produced|E-?text prepared|Transcribed) by [^\n]*(?:\n[^\n]+)*", re.IGNORECASE
)
_LAST_WORDS = re.compile(r"^End of (?:the )?Project Gutenberg[^\n]*(?:\n[^\n]+)*\s*\Z", re.MULTILINE | re.IGNORECASE)
_LAST_WORDS_CHARACTERS = 1000

NARROWEST_WRAP, WIDEST_WRAP = 55, 90  # widths at which prose is wrapped by hand; verse is narrower, paragraphs wider
RAGGED = 4  # characters by which old wrapping falls short of its own width


def newlines(text: str) -> str:
    """Every kind of line and page break as \\n, a paragraph separator as an empty line."""
    for found, wanted in _BREAKS.items():
        if found in text:
            text = text.replace(found, wanted)
    return text


def controls(text: str) -> str:
    """No byte order marks, no control characters but tab and newline, nothing that can not be written."""
    return _CONTROL.sub("", text) if _CONTROL.search(text) else text


def nfc(text: str) -> str:
    """Unicode normal form C: one spelling for each accented letter."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def trailing(text: str) -> str:
    """No white space at line ends."""
    return "\n".join([line.rstrip() for line in text.split("\n")])


def blank_lines(text: str) -> str:
    """At most one empty line in a row, none at the start, at most the newline of the last line at the end."""
    text = text.lstrip("\n")
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text[:-1] if text.endswith("\n\n") else text


def boilerplate(text: str) -> str:
    """Only what stands between Project Gutenberg's START and END lines, where there are such lines."""
    if "***" not in text:
        return text
    edges = [(match["edge"].upper(), match.start(), match.end()) for match in _EDGE.finditer(text)]
    if not edges:
        return text
    bodies = []
    inside = 0 if edges[0][0] == "END" else None
    for edge, start, end in edges:
        if inside is not None:
            bodies.append(_body(text[inside:start], credited=inside > 0))
        inside = end if edge == "START" else None
    if inside is not None:
        bodies.append(_body(text[inside:], credited=True))
    return "\n\n".join(bodies) + "\n"


def _body(text: str, credited: bool) -> str:
    if credited:
        text = _CREDITS.sub("", text, count=1)
    tail = max(0, len(text) - _LAST_WORDS_CHARACTERS)
    return (text[:tail] + _LAST_WORDS.sub("", text[tail:])).strip("\n")


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


# In the order in which they are applied, whatever the order in which a recipe names them.
STEPS: dict[StepName, Step] = {
    "newlines": Step(1, newlines),
    "controls": Step(1, controls),
    "nfc": Step(1, nfc),
    "trailing": Step(1, trailing),
    "boilerplate": Step(1, boilerplate),
    "blank_lines": Step(1, blank_lines),
    "unwrap": Step(1, unwrap),
}
SAFE: tuple[StepName, ...] = ("newlines", "controls", "nfc", "trailing", "boilerplate", "blank_lines")


def clean(text: str, names: Sequence[StepName] = SAFE) -> str:
    """The text after the named steps."""
    for name, step in STEPS.items():
        if name in names:
            text = step.apply(text)
    return text


def versions(names: Sequence[StepName]) -> dict[str, int]:
    """The named steps in the order in which they run, with their versions: what a manifest records."""
    return {name: step.version for name, step in STEPS.items() if name in names}
