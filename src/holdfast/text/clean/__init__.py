"""Cleaning: ordered, pure, named, versioned steps. Clean text passes unchanged, and twice is the same as once.

Steps in `SAFE` are on unless a recipe says otherwise: they take nothing from a clean text. The others have to be asked
for, because there are clean texts that they would change: verse, tables, texts about markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import Literal, NamedTuple

from holdfast.text.clean.characters import controls, ligatures, long_s, newlines, nfc
from holdfast.text.clean.gutenberg import gutenberg
from holdfast.text.clean.hyphens import hyphens
from holdfast.text.clean.layout import blank_lines, spaces, trailing, unwrap
from holdfast.text.clean.markup import markup
from holdfast.text.clean.notices import notices
from holdfast.text.clean.ocr import broken_words, noise_lines
from holdfast.text.clean.pages import page_numbers, running_heads
from holdfast.text.clean.step import Step

StepName = Literal[
    "newlines",
    "controls",
    "nfc",
    "ligatures",
    "long_s",
    "trailing",
    "boilerplate",
    "markup",
    "page_numbers",
    "running_heads",
    "noise_lines",
    "hyphens",
    "broken_words",
    "spaces",
    "blank_lines",
    "unwrap",
]


def boilerplate(text: str) -> str:
    """The text without what publishers of digital books put around it."""
    return notices(gutenberg(text))


# In the order in which they are applied, whatever the order in which a recipe names them.
STEPS: dict[StepName, Step] = {
    "newlines": Step(1, "one kind of line end", newlines, bounded=False),
    "controls": Step(1, "no control characters", controls),
    "nfc": Step(1, "Unicode normal form C", nfc, bounded=False),
    "ligatures": Step(1, "ﬁ as fi", ligatures, bounded=False),
    "long_s": Step(1, "ſ as s", long_s, bounded=False),
    "trailing": Step(1, "no white space at line ends", trailing, bounded=False),
    "boilerplate": Step(2, "no licences, credits and stamps of digital libraries", boilerplate, bounded=False),
    "markup": Step(1, "no left-over tags and character references", markup),
    "page_numbers": Step(1, "no page numbers, nor what is printed beside them", page_numbers),
    "running_heads": Step(1, "no lines that come back on each page", running_heads),
    "noise_lines": Step(1, "no lines that are noise of a reading machine", noise_lines),
    "hyphens": Step(1, "words divided at line ends in one piece", hyphens, guided=True),
    "broken_words": Step(1, "words broken by a reading machine in one piece", broken_words, guided=True),
    "spaces": Step(1, "one plain space between words", spaces, bounded=False),
    "blank_lines": Step(1, "one empty line between paragraphs", blank_lines, bounded=False),
    "unwrap": Step(1, "paragraphs wrapped by hand on one line each", unwrap, bounded=False),
}
SAFE: tuple[StepName, ...] = ("newlines", "controls", "nfc", "trailing", "boilerplate", "blank_lines")


class Change(NamedTuple):
    """What a step did to a text."""

    step: StepName
    before: str
    after: str

    @property
    def lost(self) -> int:
        """How many characters other than white space it took away; negative where it wrote more."""
        return visible(self.before) - visible(self.after)


def changes(text: str, names: Sequence[StepName] = SAFE, known: Set[str] = frozenset()) -> Iterator[Change]:
    """Each change that the named steps make, in order. known: words that steps may rely on beside the text's own.

    What a step outside of `SAFE` leaves behind may be work for an earlier one, so after such a change all begin again.
    That comes to an end: every such change makes the text shorter, or leaves less that could be changed.
    """
    wanted = [(name, step) for name, step in STEPS.items() if name in names]
    again = True
    while again:
        again = False
        for name, step in wanted:
            after = step(text, known)
            if after != text:
                yield Change(name, text, after)
                again = again or name not in SAFE
                text = after


def clean(text: str, names: Sequence[StepName] = SAFE, known: Set[str] = frozenset()) -> str:
    """The text after the named steps."""
    for change in changes(text, names, known):
        text = change.after
    return text


def visible(text: str) -> int:
    """How many characters of a text are no white space."""
    return len(text) - sum(map(text.count, " \n\t\r\f\v\u00a0"))


def versions(names: Sequence[StepName]) -> dict[str, int]:
    """The named steps in the order in which they run, with their versions: what a manifest records."""
    return {name: step.version for name, step in STEPS.items() if name in names}
