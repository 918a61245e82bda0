"""Lines of JSON out of a stream: numbered, bounded, and each broken one told apart from its neighbours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any

from holdfast.base.records import Document
from holdfast.text.read.encoding import decode, is_wide, sound
from holdfast.text.read.language import language_of
from holdfast.text.read.place import Found, Place
from holdfast.text.rejection import Rejected, Unreadable, preview

_OTHER_NAMES = {"lang": "language", "license": "licence"}
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)")
LONGEST_LINE_BYTES = 64 << 20
LONGEST_FIELD_CHARACTERS = 500
MOST_PARTS = 3_000_000  # brackets and commas of one value: up to two hundred bytes of memory each; prose has far fewer
HARMLESS_CHARACTERS = 1 << 20  # not counted: they have fewer


def rows(stream: IO[bytes]) -> Iterator[tuple[int, dict[str, Any] | Unreadable]]:
    """(line number, object) for each line that is not blank, an Unreadable with the line number in place of a bad one.

    Raises Unreadable when the stream itself breaks off; the rows before have been yielded.
    """
    number = 0
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        if number == 1 and is_wide(line):
            raise Unreadable("undecodable", "JSON lines are read as UTF-8, and this is UTF-16 or UTF-32")
        if len(line) > LONGEST_LINE_BYTES:
            yield number, Unreadable("row too long", f"line {number} has more than {LONGEST_LINE_BYTES:,} bytes")
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE_BYTES)
        elif not line.isspace():
            yield number, _row(line, number)


def documents(stream: IO[bytes], place: Place) -> Found:
    """A document of each row."""
    for number, row in rows(stream):
        where = place.below(str(number))
        if isinstance(row, Unreadable):
            yield row.rejected(where.id)
        else:
            yield row_document(row, where, f"line {number}")


def row_document(row: Mapping[str, Any], place: Place, said: str) -> Document | Rejected:
    """The text of a row with what its other fields say; `said`: which row it is, for the reason of a rejection."""
    text = row.get(place.field)
    if not isinstance(text, str):
        what = "no" if place.field not in row else "no text in"
        return Rejected(place.id, f"{what} field {place.field!r}", said, preview(", ".join(map(str, row))))
    return place.document(text, meta=_said(plain_fields(row, place.field)))


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with what many data sets say in other words under the names that every document uses."""
    for other, name in _OTHER_NAMES.items():
        if other in fields:
            fields.setdefault(name, fields[other])
    if isinstance(language := fields.get("language"), str) and (code := language_of(language)):
        fields["language"] = code
    if "year" in fields and type(fields["year"]) is not int:  # a year can be compared, a date is words
        fields.setdefault("date", date := fields.pop("year"))
        if found := _YEAR.search(str(date)):
            fields["year"] = int(found[0])
    return fields


def plain_fields(row: Mapping[str, Any], leave_out: str) -> dict[str, Any]:
    """What is known of a text beside the text: short plain values, and those of a `meta` inside."""
    inner = row.get("meta")
    found = {**row, **inner} if isinstance(inner, dict) else dict(row)
    return {sound(key): _sound(value) for key, value in found.items() if key != leave_out and _is_plain(value)}


def parsed(text: str) -> Any:
    """The value that JSON stands for. Raises Unreadable for what is no JSON, or would fill the memory."""
    if len(text) > HARMLESS_CHARACTERS and sum(map(text.count, "{[,")) > MOST_PARTS:
        raise Unreadable("too many parts", f"more than {MOST_PARTS:,} brackets and commas")
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        raise Unreadable("broken JSON", f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise Unreadable("broken JSON", "nested too deeply") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise Unreadable("broken JSON", str(error)) from None


def _row(line: bytes, number: int) -> dict[str, Any] | Unreadable:
    try:
        text, _ = decode(line)
        value = parsed(text)
    except Unreadable as error:
        return Unreadable(error.reason, f"line {number}, {error.detail.removeprefix('line 1, ')}")
    if not isinstance(value, dict):
        return Unreadable("row is no JSON object", f"line {number}")
    return value


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_FIELD_CHARACTERS
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int)


def _sound(value: Any) -> Any:
    return sound(value) if isinstance(value, str) else value
