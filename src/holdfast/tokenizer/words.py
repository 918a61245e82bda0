"""Where the word patterns cut a text, found with array operations for many texts at once.

A block of texts is an array with one code per character: Windows-1252, which has the letters and marks of English
print. Two of its empty places serve as EDGE, which stands before, between and behind texts, and as FOREIGN, which
stands for every character outside that set. On such an array the patterns are rules about runs of characters of one
class. Which class a character has is asked of the very regex engine whose work this does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, pre_tokenizers

from holdfast.tokenizer.settings import Pattern

CHARSET = "cp1252"
EDGE, FOREIGN = 0x81, 0x8D
DIGITS_PER_WORD: dict[Pattern, int] = {"llama-bpe": 3, "qwen2": 1}

_LETTER, _DIGIT, _MARK, _SPACE, _NEWLINE, _EDGE = range(6)
_BLANK, _APOSTROPHE = ord(" "), ord("'")
_LOWER_CASE = 0x20  # the bit in which A and a differ

Codes = NDArray[np.uint8]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]


def block(texts: Iterable[str]) -> Codes:
    """The codes of texts with an EDGE around each: shape (characters + texts + 1,)."""
    edge = bytes([EDGE])
    return np.frombuffer(edge + edge.join([_coded(text) for text in texts]) + edge, dtype=np.uint8)


def _coded(text: str) -> bytes:
    if text.isascii():
        return text.encode("ascii")
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return np.take(_code_table(), points, mode="clip").tobytes()


@cache
def _code_table() -> Codes:
    """The code of each code point. The last entry, which stands for all beyond it too, is FOREIGN."""
    points = {code: ord(text) for code in range(256) if (text := bytes([code]).decode(CHARSET, "ignore"))}
    table = np.full(max(points.values()) + 2, FOREIGN, dtype=np.uint8)
    for code, point in points.items():
        table[point] = code
    return table


@cache
def _classes(apart: bool) -> Codes:
    """The class of each code, shape (256,). apart: line ends are a class of their own and no SPACE."""
    table = np.full(256, _MARK, dtype=np.uint8)  # FOREIGN too: what is found around one is thrown away
    rules = [(_LETTER, r"\p{L}"), (_DIGIT, r"\p{N}"), (_SPACE, r"\s"), (_NEWLINE, r"[\r\n]")]
    for name, rule in rules if apart else rules[:-1]:
        leave_out = pre_tokenizers.Split(Regex(rule), "removed")
        for code in range(256):
            text = bytes([code]).decode(CHARSET, "ignore")
            if text and not leave_out.pre_tokenize_str(text):
                table[code] = name
    table[EDGE] = _EDGE
    return table


@dataclass(frozen=True, slots=True)
class Words:
    """A block cut up. Word i is codes[starts[i]:starts[i + 1]]; the last one is the last EDGE.

    whole: which are no word of the pattern but a stretch of text around FOREIGN characters, for somebody who knows
    these to cut; such a stretch begins and ends where every pattern cuts.
    """

    starts: Places
    whole: Flags


def cut(codes: Codes, pattern: Pattern) -> Words:
    """The words of a block, each EDGE as one of them."""
    runs = _Runs(codes, _classes(apart=pattern != "gpt2").take(codes))
    cuts = _cut_gpt2(runs) if pattern == "gpt2" else _cut_by_lines(runs, DIGITS_PER_WORD[pattern])
    whole = _join_foreign(runs, cuts)
    starts = np.flatnonzero(cuts)
    return Words(starts, whole[starts])


class _Runs:
    """The longest runs of codes of one class: where they begin and stop, their class and that of their neighbours."""

    def __init__(self, codes: Codes, classes: Codes) -> None:
        self.codes, self.classes = codes, classes
        self.first: Places = np.concatenate(([0], np.flatnonzero(classes[1:] != classes[:-1]) + 1))
        self.stop: Places = np.append(self.first[1:], len(codes))
        self.kind = classes[self.first]
        self.before = _shifted(self.kind, 1)  # the first and the last run are EDGE, so nobody misses a neighbour
        self.after = _shifted(self.kind, -1)

    @property
    def behind_blank(self) -> Flags:
        """Which runs follow a plain space, which the patterns add to marks, and gpt2 to letters and digits too."""
        return _shifted((self.kind == _SPACE) & (self.codes[self.stop - 1] == _BLANK), 1)

    def cut_at(self, opened: Flags, last_apart: Flags) -> Flags:
        """Cuts of shape (codes,): before the runs that are `opened`, before the last code of those that have it
        `last_apart`, and around every EDGE."""
        cuts = self.classes == _EDGE
        cuts[self.first] = opened | (self.before == _EDGE) | (self.kind == _EDGE)
        cuts[self.stop[last_apart] - 1] = True
        return cuts


def _shifted(values: NDArray[Any], by: int) -> NDArray[Any]:
    return np.concatenate((values[-by:], values[:-by]))


def _cut_gpt2(runs: _Runs) -> Flags:
    """A run of letters, digits or marks is a word, with the plain space before it. White space before other text leaves
    its last character to that text, and where it is no plain space, alone."""
    behind_blank = runs.behind_blank
    space = runs.kind == _SPACE
    cuts = runs.cut_at(opened=~behind_blank, last_apart=space & (runs.after != _EDGE))
    lone = (runs.kind == _MARK) & (runs.stop - runs.first == 1) & ~behind_blank & (runs.after == _LETTER)
    _cut_contractions(runs.codes, cuts, runs.first[lone], any_case=False)
    return cuts


def _cut_by_lines(runs: _Runs, digits: int) -> Flags:
    """llama-bpe and qwen2. Letters take the one character before them, unless it belongs to something else or is a line
    end; marks take a plain space before and line ends behind; white space ends behind its last line end."""
    kind, before, after, behind_blank = runs.kind, runs.before, runs.after, runs.behind_blank
    lone = (kind == _MARK) & (runs.stop - runs.first == 1) & ~behind_blank & (after == _LETTER)
    behind_taken = _shifted((kind == _NEWLINE) & (before == _MARK), 1)  # line ends that belong to marks
    shut = (
        ((kind == _LETTER) & ((before == _SPACE) | _shifted(lone, 1)))
        | ((kind == _MARK) & behind_blank)
        | ((kind == _NEWLINE) & ((before == _SPACE) | (before == _MARK)))
        | ((kind == _SPACE) & (before == _NEWLINE) & (after == _NEWLINE) & ~behind_taken)
    )
    cuts = runs.cut_at(opened=~shut, last_apart=(kind == _SPACE) & (after <= _MARK))
    numbers = kind == _DIGIT
    places = np.flatnonzero(runs.classes == _DIGIT)
    within = places - np.repeat(runs.first[numbers], (runs.stop - runs.first)[numbers])
    cuts[places[within % digits == 0]] = True
    _cut_contractions(runs.codes, cuts, runs.first[lone], any_case=True)
    return cuts


def _cut_contractions(codes: Codes, cuts: Flags, lone: Places, any_case: bool) -> None:
    """'s 't 'm 'd 're 've 'll are words where an apostrophe opens a word. lone: marks that do, before a letter."""
    at = lone[codes[lone] == _APOSTROPHE]
    one, two = codes[at + 1], codes[at + 2]
    if any_case:
        one, two = one | _LOWER_CASE, two | _LOWER_CASE
    long = np.isin(one, list(b"rv")) & (two == ord("e")) | (one == ord("l")) & (two == ord("l"))
    for letters, found in ((1, at[np.isin(one, list(b"stmd"))]), (2, at[long])):
        cuts[found + 1] = False
        cuts[found + 1 + letters] = True


def _join_foreign(runs: _Runs, cuts: Flags) -> Flags:
    """Undo the cuts in stretches that hold a FOREIGN code; returns where these begin. A stretch goes from one place
    between a letter or digit and white space to the next: no pattern looks back, so none can see past it."""
    whole = np.zeros(len(cuts), dtype=np.bool_)
    foreign = np.flatnonzero(runs.codes == FOREIGN)
    blank = (runs.kind >= _SPACE) & (runs.before <= _DIGIT)
    safe = runs.first[blank | (runs.kind == _EDGE) | (runs.before == _EDGE)]
    for place in np.unique(np.searchsorted(safe, foreign, side="right")).tolist():
        start, stop = safe[place - 1], safe[place]
        cuts[start + 1 : stop] = False
        whole[start] = True
    return whole
