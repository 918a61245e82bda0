"""What cleaning does to a document, for a reader: counts for each step, and the lines that differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.base.records import Document
from holdfast.text.clean import STEPS, StepName, changes
from holdfast.text.rejection import Rejected
from holdfast.text.rules import Rules

CONTEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class StepCount:
    """What one step took from a text: characters other than white space, and lines. Negative where it wrote more."""

    step: StepName
    characters: int
    lines: int


@dataclass(frozen=True, slots=True)
class View:
    """A document before and after cleaning, or around one step.

    steps:    those that changed it, in order.
    rejected: why the document is left out, if it is.
    """

    id: str
    before: str
    after: str
    steps: tuple[StepCount, ...]
    rejected: Rejected | None

    def diff(self) -> Iterator[str]:
        """The lines that differ, as a unified diff without its heading. White space at line ends is not compared."""
        before, after = ([line.rstrip() for line in text.splitlines()] for text in (self.before, self.after))
        found = difflib.unified_diff(before, after, lineterm="", n=CONTEXT_LINES)
        return (line for line in found if line not in ("--- ", "+++ "))


def view(document: Document, rules: Rules, step: StepName | None = None) -> View:
    """What the rules do to a document; with `step` what this one does in its place, named by the recipe or not."""
    treated = rules.treat(document)
    names = rules.ruling(document).clean
    steps: dict[StepName, StepCount] = {}
    before, after = document.text, document.text
    around: tuple[str, str] | None = None
    for change in changes(document.text, names if step is None else (*names, step), rules.known):
        known = steps.get(change.step, StepCount(change.step, 0, 0))
        lines = change.before.count("\n") - change.after.count("\n")
        steps[change.step] = StepCount(change.step, known.characters + change.lost, known.lines + lines)
        after = change.after
        if change.step == step and around is None:
            around = change.before, change.after
    if step is not None:
        before, after = around or (after, after)
    counts = tuple(steps[name] for name in STEPS if name in steps and step in (None, name))
    return View(document.id, before, after, counts, treated if isinstance(treated, Rejected) else None)


def unread(rejected: Rejected) -> View:
    """The view of what could not be read."""
    return View(rejected.id, rejected.preview, rejected.preview, (), rejected)
