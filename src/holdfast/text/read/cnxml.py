"""CNXML, in which OpenStax publishes its textbooks: one module to a file. Its elements: https://cnx.rice.edu/cnxml."""

from __future__ import annotations

from typing import Any

from holdfast.text.read.header import licence_of
from holdfast.text.read.language import language_of
from holdfast.text.read.place import Found, Place
from holdfast.text.read.tree import Element, Entities, name_of
from holdfast.text.read.walk import Dialect, line_of, names, text_of
from holdfast.text.rejection import Rejected

CNXML = Dialect(
    dropped=names("metadata"),
    paragraphs=names(
        "document content section title para note figure caption list table exercise problem solution quote equation "
        "definition glossary example rule statement proof code"
    ),
    lines=names("item row"),
    breaks=names("newline"),
    labels=names("term-label label"),
    cells=names("entry"),
    stand_ins=(("math", lambda element: ("".join(element.itertext()).strip(), 0)),),
)


def documents(root: Element, entities: Entities, encoding: str, place: Place) -> Found:
    """The module as one document."""
    text, _ = text_of(root, CNXML, entities)
    if not text:
        yield Rejected(place.id, "no text in it", "nothing but markup")
        return
    said: dict[str, Any] = {}
    for element in root.iter("*"):
        name = name_of(element)
        if name == "title":
            said.setdefault("title", line_of(element, entities))
        elif name == "language":
            said["language"] = language_of(line_of(element, entities))
        elif name == "license":
            said["licence"] = licence_of(f"{element.get('url') or ''} {line_of(element, entities)}")
    yield place.document(text, encoding, {key: value for key, value in said.items() if value})
