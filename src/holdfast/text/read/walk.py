"""The text of an XML tree, given what the names of its elements mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.text.read.flow import Flow
from holdfast.text.read.tree import Element, Entities, name_of


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the names of elements mean; a name that is in no set is part of the line it stands in.

    dropped:    no text of the work; those in `counted` are told how often.
    paragraphs: blocks of their own. lines: begin a line and end it. breaks: empty, end a line.
    labels:     lines that stay with the paragraph behind them. cells: one space apart.
    stand_ins:  elements that something else is written for: (text, how many characters of the work are lost).
    """

    dropped: frozenset[str] = frozenset()
    counted: frozenset[str] = frozenset()
    paragraphs: frozenset[str] = frozenset()
    lines: frozenset[str] = frozenset()
    breaks: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    cells: frozenset[str] = frozenset()
    stand_ins: tuple[tuple[str, Callable[[Element], tuple[str, int]]], ...] = ()
    glue: re.Pattern[str] | None = None


def names(words: str) -> frozenset[str]:
    """A set of names out of one string."""
    return frozenset(words.split())


def text_of(element: Element, dialect: Dialect, entities: Entities) -> tuple[str, Counter[str]]:
    """(text, counts): how often each counted element was dropped, and how much is `illegible`.

    Raises Unreadable for an entity that can not be told. The parser bounds the depth of a tree, so this may recurse.
    """
    walk = _Walk(dialect, entities)
    walk.inside(element)
    return walk.flow.text(), walk.counts


def line_of(element: Element, entities: Entities) -> str:
    """All text of an element in one line, whatever its parts are called."""
    return text_of(element, Dialect(), entities)[0]


class _Walk:
    def __init__(self, dialect: Dialect, entities: Entities) -> None:
        self.dialect = dialect
        self.entities = entities
        self.flow = Flow(dialect.glue)
        self.counts: Counter[str] = Counter()
        self.stand_ins = dict(dialect.stand_ins)

    def inside(self, element: Element) -> None:
        """The text of an element and of all below."""
        self.flow.words(element.text)
        for child in element:
            if isinstance(child.tag, str):
                self.element(child, name_of(child))
            else:  # comments and instructions are gone: what is no element is an entity
                self.flow.words(self.entities.text(child.name))
            self.flow.words(child.tail)

    def element(self, element: Element, name: str) -> None:
        """An element by its name."""
        dialect, flow = self.dialect, self.flow
        if name in dialect.dropped:
            if name in dialect.counted:
                self.counts[name] += 1
        elif name in self.stand_ins:
            shown, lost = self.stand_ins[name](element)
            flow.words(shown)
            self.counts["illegible"] += lost
        elif name in dialect.breaks:
            if element.get("break") != "no":  # TEI's way to say that it is inside a word
                flow.end_line()
        else:
            end = self._edges(name)
            if end is not None and name not in dialect.labels:
                end()
            elif end is not None:
                flow.end_paragraph()
            elif name in dialect.cells:
                flow.words(" ")
            self.inside(element)
            if end is not None:
                end()

    def _edges(self, name: str) -> Callable[[], None] | None:
        if name in self.dialect.paragraphs:
            return self.flow.end_paragraph
        if name in self.dialect.labels:
            return self.flow.end_label
        return self.flow.end_line if name in self.dialect.lines else None
