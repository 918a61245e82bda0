"""JSON files: rows in a list, one document, or one text in many places of a nested one.

The rule: the elements of a list are documents of their own. One whose text field holds a text is read like a line of
JSON lines. Of any other, every text under the text field is taken, at any depth and in its order, each behind the name
of what it is in ("Background: ..."); HTML in such a text is read as HTML. One without any is rejected.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import IO, cast

from holdfast.base.records import Document
from holdfast.text.read import rows
from holdfast.text.read.encoding import decode, sound
from holdfast.text.read.html import page_text
from holdfast.text.read.place import Found, Place, whole
from holdfast.text.rejection import Rejected, preview

_HTML = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|br|center|cite|code|dd|div|dl|dt|em|font|h[1-6]|hr|i|img|li|ol|p|pre|q|s|small|span"
    r"|strike|strong|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul)\b[^<>]*>|&(?:amp|lt|gt|quot|nbsp|[mn]dash|#\d+);",
    re.IGNORECASE,
)


def documents(stream: IO[bytes], place: Place) -> Found:
    """The documents of a JSON file. Raises Unreadable when it is broken."""
    if _is_lines(cast("io.BufferedReader", stream).peek()):
        yield from rows.documents(stream, place)
        return
    text, encoding = decode(whole(stream))
    value = rows.parsed(text)
    if not isinstance(value, list):
        yield _document(value, place, encoding, "")
        return
    for number, each in enumerate(value, 1):
        yield _document(each, place.below(str(number)), encoding, f"element {number}")


def _is_lines(head: bytes) -> bool:
    """True for JSON lines by another name: the first line is an object, and something follows."""
    line, _, rest = head.partition(b"\n")
    try:
        return bool(rest.strip()) and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _document(value: object, place: Place, encoding: str, said: str) -> Document | Rejected:
    if isinstance(value, dict) and isinstance(value.get(place.field), str):
        return rows.row_document(value, place, said)
    texts = list(_texts(value, place.field))
    if not texts:
        keys = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
        return Rejected(place.id, f"no field {place.field!r}", said, preview(sound(keys)))
    meta = rows.plain_fields(value, place.field) if isinstance(value, dict) else {}
    return place.document("\n\n".join(texts), encoding, meta)


def _texts(value: object, field: str) -> Iterator[str]:
    """Every text under the field, with the name of the object it is in, in the order of the file."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        name, here = waiting.pop()
        if isinstance(here, dict):
            found = here.get(field)
            for text in found if isinstance(found, list) else [found]:
                if isinstance(text, str) and (text := _plain(text)):
                    yield f"{name}: {text}" if name else text
            waiting += [(str(key), each) for key, each in reversed(list(here.items()))]
        elif isinstance(here, list):
            waiting += [("", each) for each in reversed(here)]


def _plain(text: str) -> str:
    return (page_text(text)[0] if _HTML.search(text) else text).strip()
