"""The Internet Archive: a search, the record of each item, and the text that its OCR made.

The search is the one for long lists (services/search/v1/scrape), which goes on by a cursor. What is on loan, dark or
private is left out and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.entry import Entry
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.answers import data, length, safe_name

SEARCH = "https://archive.org/services/search/v1/scrape"
RECORD = "https://archive.org/metadata/"
FILES = "https://archive.org/download/"
PAGE = 1000
_LENT = ("inlibrary", "printdisabled", "lendinglibrary", "stream_only")
_FORMATS = ("DjVuTXT", "Text", "Plain Text")
_YEAR = re.compile(r"\b1\d{3}\b")


def listed(source: Source, client: Client) -> Iterator[Item | Rejected]:
    """The items of these ids, then those that the search finds."""
    entry = source.entry
    for id in dict.fromkeys(entry.ids):
        yield _item(source, id, client)
    if entry.query is None:
        return
    for found in _found(search_words(entry), client):
        id = found.get("identifier", "")
        if not isinstance(id, str) or not id or id in entry.ids:
            continue
        yield Rejected(id, "only on loan") if _lent(found) else _item(source, id, client)


def search_words(entry: Entry) -> str:
    """The search as the Archive is asked it: texts only, and of the period."""
    words = f"({entry.query}) AND mediatype:texts"
    if entry.period is None:
        return words
    return f"{words} AND date:[{entry.period.first:04}-01-01 TO {entry.period.last:04}-12-31]"


def _found(words: str, client: Client) -> Iterator[dict[str, Any]]:
    asked: dict[str, str] = {"q": words, "fields": "identifier,access-restricted-item,collection", "count": str(PAGE)}
    cursors: set[str] = set()
    while True:
        answer = client.get(SEARCH, asked)
        page = data(answer, dict)
        if "error" in page or not isinstance(page.get("items"), list):
            raise DataFault(f"the Internet Archive refuses {words!r}: {page.get('error')}", "check the source's query")
        yield from (each for each in page["items"] if isinstance(each, dict))
        cursor = page.get("cursor")
        if not isinstance(cursor, str) or not cursor or not page["items"]:
            return
        if cursor in cursors:
            raise DataFault(f"{SEARCH} goes round in circles", "try again later, or ask for less")
        cursors.add(cursor)
        asked = asked | {"cursor": cursor}


def _item(source: Source, identifier: str, client: Client) -> Item | Rejected:
    record = data(client.get(RECORD + quote(identifier, safe="")), dict)
    said = record.get("metadata")
    if not isinstance(said, dict):
        return Rejected(identifier, "no such item")
    if record.get("is_dark") or record.get("nodownload"):
        return Rejected(identifier, "not to be downloaded")
    if _lent(said):
        return Rejected(identifier, "only on loan")
    file = _text_file(record.get("files"))
    if file is None:
        return Rejected(identifier, "it has no text")
    name = file["name"]
    return Item(
        source.id,
        identifier,
        f"{FILES}{quote(identifier, safe='')}/{quote(name)}",
        safe_name(f"{identifier}{'_djvu' if name.endswith('_djvu.txt') else ''}.txt"),
        length(file.get("size")),
        None,
        _first(said.get("licenseurl")) or source.entry.licence,
        dict(_meta(said)),
    )


def _lent(said: Mapping[str, Any]) -> bool:
    collections = said.get("collection") or []
    among = [collections] if isinstance(collections, str) else collections
    return str(said.get("access-restricted-item", "")).lower() == "true" or any(each in _LENT for each in among)


def _text_file(files: Any) -> dict[str, Any] | None:
    """The best of an item's texts that may be read."""
    open_files = [
        each
        for each in (files if isinstance(files, list) else [])
        if isinstance(each, dict)
        and isinstance(each.get("name"), str)
        and str(each.get("private", "")).lower() != "true"
    ]
    for format in _FORMATS:
        for each in open_files:
            if each.get("format") == format and each["name"].lower().endswith(".txt"):
                return each
    return None


def _meta(said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if title := _first(said.get("title")):
        yield "title", title
    if author := _first(said.get("creator")):
        yield "author", author
    if licence := _first(said.get("licenseurl")):
        yield "licence", licence
    if year := _YEAR.search(_first(said.get("date")) or _first(said.get("year")) or ""):
        yield "year", int(year[0])


def _first(value: Any) -> str | None:
    """A field's text; the Archive gives a list where it has several."""
    value = value[0] if isinstance(value, list) and value else value
    return str(value).strip() or None if isinstance(value, str | int) else None
