"""What the header of a TEI file says of the work, under the names that every document uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from holdfast.text.read.language import language_of
from holdfast.text.read.tree import Element, Entities, name_of
from holdfast.text.read.walk import line_of

LONGEST_LICENCE = 200  # characters of a licence that is told in sentences
_YEAR = re.compile(r"(?<!\d)(1\d{3}|20\d{2})(?!\d)")
_COMMONS = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)")
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def facts(header: Element | None, root: Element, entities: Entities) -> dict[str, Any]:
    """Title, author, year and place of the print that was transcribed, language and licence: what is there of it."""
    found: dict[str, Any] = {"language": _language(header, root)}
    if header is not None:
        about = next(_inside(header, "titlestmt"), None)
        source = next(_inside(header, "sourcedesc"), None)
        found["title"] = _said(about, "title", entities)
        found["author"] = _said(about, "author", entities)
        found["year"] = _year(header, source, entities)
        found["place"] = _said(source, "pubplace", entities).strip(" :;,[]")
        found["licence"] = _licence(header, entities)
    return {key: value for key, value in found.items() if value}


def interpretations(part: Element) -> dict[str, Any]:
    """The year, the kind of text and the volume, as the Old Bailey's files say them in `interp` elements."""
    division = part if name_of(part).startswith("div") else next(part.iter("div0"), None)
    if division is None:
        return {}
    said = {str(each.get("type")): str(each.get("value")) for each in division.iterchildren("interp")}
    year = _YEAR.match(said.get("year") or said.get("date", "")[:4])
    found = {"year": int(year[1]) if year else None, "kind": division.get("type"), "work": said.get("uri")}
    return {key: value for key, value in found.items() if value} if said else {}


def licence_of(text: str) -> str:
    """The licence that an address of Creative Commons stands for, in SPDX's spelling; empty when there is none."""
    match = _COMMONS.search(text)
    if match is None:
        return ""
    if match[1] == "licenses":
        return f"CC-{match[2].upper()}-{match[3]}"
    return f"CC0-{match[3]}" if match[2] == "zero" else "public domain"


def _inside(element: Element, name: str) -> Iterator[Element]:
    return (each for each in element.iter("*") if name_of(each) == name)


def _said(element: Element | None, name: str, entities: Entities) -> str:
    first = None if element is None else next(_inside(element, name), None)
    return "" if first is None else line_of(first, entities)


def _year(header: Element, source: Element | None, entities: Entities) -> int | None:
    """Of the work's making, else of its first edition, else of the print transcribed; never that of the file."""
    made = next(_inside(header, "creation"), None)
    first = (
        None
        if source is None
        else next((each for each in source.iter("*") if each.get("type") == "firstEdition"), None)
    )
    for place in (made, first, source):
        for date in () if place is None else _inside(place, "date"):
            match = _YEAR.search(str(date.get("when") or "")) or _YEAR.search(line_of(date, entities))
            if match:
                return int(match[1])
    return None


def _language(header: Element | None, root: Element) -> str:
    said = [] if header is None else [*_inside(header, "langusage"), *_inside(header, "language")]
    text = next(_inside(root, "text"), root)
    codes = [each.get("ident") or each.get("ID") or each.get("id") for each in said]
    codes += [each.get(_XML_LANG) or each.get("lang") or each.get("LANG") for each in (text, root)]
    return next((known for code in codes if code and (known := language_of(str(code)))), "")


def _licence(header: Element, entities: Entities) -> str:
    for terms in _inside(header, "availability"):
        said = line_of(terms, entities)
        addresses = " ".join(str(each.get("target") or "") for each in terms.iter("*"))
        return licence_of(f"{addresses} {said}") or said[:LONGEST_LICENCE]
    return ""
