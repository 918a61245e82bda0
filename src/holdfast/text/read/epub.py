"""EPUB books: pages of HTML in a zip archive, in the order of their spine.

The package document: https://www.w3.org/TR/epub-33 (2023).
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import unquote

from holdfast.text.read.encoding import decode
from holdfast.text.read.header import LONGEST_LICENCE, licence_of
from holdfast.text.read.html import declared_encoding, page_text
from holdfast.text.read.language import language_of
from holdfast.text.read.place import LARGEST_WHOLE_BYTES, Found, Place
from holdfast.text.read.tree import Element, Entities, name_of, parse
from holdfast.text.read.walk import line_of
from holdfast.text.read.zipped import member_bytes, opened
from holdfast.text.rejection import Unreadable

SMALLEST_PAGE = 1 << 10  # bytes that a page counts at least: a spine may name an empty one a million times
_CONTAINER = "META-INF/container.xml"
_RIGHTS = "META-INF/encryption.xml"


def document(stream: IO[bytes], place: Place) -> Found:
    """The book as one document. Its date is that of the file more often than of the work, so it gives no year.

    Raises Unreadable when the book is encrypted, damaged, larger than LARGEST_WHOLE_BYTES unpacked, or has no text.
    """
    with opened(stream) as archive:
        path = _package_path(archive, place)
        package, entities, _ = parse(member_bytes(archive, path, LARGEST_WHOLE_BYTES), place)
        locked = _locked(archive, place)
        pages = []
        room = LARGEST_WHOLE_BYTES
        for name in _spine(package, posixpath.dirname(path)):
            if name in locked:
                raise Unreadable("encrypted", name)
            data = member_bytes(archive, name, room)
            room -= max(len(data), SMALLEST_PAGE)
            markup, _ = decode(data, declared_encoding(data))
            pages.append(page_text(markup)[0])
    text = "\n\n".join(filter(None, pages))
    if not text:
        raise Unreadable("no text in it", f"{len(pages):,} pages")
    yield place.document(text, meta=_said(package, entities))


def _package_path(archive: zipfile.ZipFile, place: Place) -> str:
    container, _, _ = parse(member_bytes(archive, _CONTAINER, LARGEST_WHOLE_BYTES), place)
    for element in container.iter("*"):
        if name_of(element) == "rootfile" and element.get("full-path"):
            return str(element.get("full-path"))
    raise Unreadable("a part is missing", "its container names no package")


def _locked(archive: zipfile.ZipFile, place: Place) -> set[str]:
    """Members that only a reader with the right key can open; fonts may be, pages may not."""
    if _RIGHTS not in archive.NameToInfo:
        return set()
    rights, _, _ = parse(member_bytes(archive, _RIGHTS, LARGEST_WHOLE_BYTES), place)
    return {unquote(str(each.get("URI"))) for each in rights.iter("*") if name_of(each) == "cipherreference"}


def _spine(package: Element, folder: str) -> Iterator[str]:
    """The members with the text, in reading order; tables of contents and what stands beside the text are left out."""
    listed = {each.get("id"): each for each in package.iter("*") if name_of(each) == "item"}
    for each in package.iter("*"):
        item = listed.get(each.get("idref")) if name_of(each) == "itemref" else None
        if item is None or each.get("linear") == "no" or "nav" in str(item.get("properties") or "").split():
            continue
        if "html" in str(item.get("media-type")):
            yield posixpath.normpath(posixpath.join(folder, unquote(str(item.get("href")))))


def _said(package: Element, entities: Entities) -> dict[str, Any]:
    first: dict[str, str] = {}
    for each in package.iter("*"):
        name = name_of(each)
        if name in ("title", "creator", "language", "rights") and name not in first:
            first[name] = line_of(each, entities)
    rights = first.get("rights", "")
    found = {
        "title": first.get("title"),
        "author": first.get("creator"),
        "language": language_of(first.get("language", "")),
        "licence": licence_of(rights) or rights[:LONGEST_LICENCE],
    }
    return {key: value for key, value in found.items() if value}
