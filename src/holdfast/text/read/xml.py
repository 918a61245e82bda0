"""Files called .xml: what they are is told by their outermost element."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO

from holdfast.text.read import cnxml, djvu, html, tei
from holdfast.text.read.place import Found, Place, whole
from holdfast.text.read.tree import Element, Entities, name_of, parse
from holdfast.text.rejection import Unreadable

_KINDS: dict[str, Callable[[Element, Entities, str, Place], Found]] = {
    **dict.fromkeys(("tei", "tei.2", "teicorpus", "ets", "text", "div0", "div1"), tei.documents),
    "document": cnxml.documents,
    "djvuxml": djvu.documents,
}


def texts(stream: IO[bytes], place: Place) -> Found:
    """The documents of an XML file. Raises Unreadable for XML of another kind, and for what is no XML."""
    data = whole(stream)
    root, entities, encoding = parse(data, place)
    kind = name_of(root)
    if kind == "html":
        yield from html.page(io.BytesIO(data), place)
        return
    if kind in ("header", "teiheader"):
        raise Unreadable("a header, not a text", kind)
    if kind not in _KINDS or (kind == "document" and "cnxml" not in str(root.tag)):
        raise Unreadable("XML of a kind that is not read here", kind[:40])
    yield from _KINDS[kind](root, entities, encoding, place)
