"""Project Gutenberg: its catalogue, and a mirror for the books.

The site itself is for people; robots are asked to use the catalogue files and the mirrors
(https://www.gutenberg.org/policy/robot_access.html). So no page of the site is read here: words are looked for in the
catalogue (one CSV file, rebuilt weekly), and every book comes from a mirror, as plain text where there is any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.manners import Unfetched
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.entry import Entry, Years
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.answers import catalogue, holds, table

CATALOGUE = "https://www.gutenberg.org/cache/epub/feeds/pg_catalog.csv"
MIRROR = "https://aleph.pglaf.org"
_COLUMNS = ("Text#", "Type", "Title", "Language", "Authors", "Subjects", "Bookshelves")
_LIVES = re.compile(r"(\d{3,4})\??-(\d{3,4})")


def listed(source: Source, client: Client) -> Iterator[Item | Rejected]:
    """The books of these numbers, then those of the catalogue that hold one of the words.

    The catalogue has no years of the works. A period is held against the lives of their authors.
    """
    entry = source.entry
    known = dict.fromkeys(entry.ids)
    for number in known:
        if number.isascii() and number.isdigit():
            yield _book(source, number, {}, client)
        else:
            yield Rejected(number, "not a number of Project Gutenberg")
    if not entry.words:
        return
    for row in table(catalogue(client, CATALOGUE), _COLUMNS):
        number = row["Text#"]
        if number in known or row["Type"] != "Text" or entry.language not in row["Language"].split("; "):
            continue
        if not holds(entry.words, row["Title"], row["Authors"], row["Subjects"], row["Bookshelves"]):
            continue
        if (refused := _out_of_period(entry, row)) is not None:
            yield refused
        else:
            said = {"title": " ".join(row["Title"].split()), "author": row["Authors"], "language": row["Language"]}
            yield _book(source, number, {key: value for key, value in said.items() if value}, client)


def _out_of_period(entry: Entry, row: dict[str, str]) -> Rejected | None:
    if entry.period is None:
        return None
    lives = [Years(int(born), int(died)) for born, died in _LIVES.findall(row["Authors"])]
    if any(life.meets(entry.period) for life in lives):
        return None
    reason = "its authors lived outside the period" if lives else "no author's years are known"
    return Rejected(row["Text#"], reason, row["Authors"])


def _book(source: Source, number: str, said: dict[str, str], client: Client) -> Item | Rejected:
    """The first of the places a book may be at where there is something."""
    mirror = (source.entry.mirror or MIRROR).rstrip("/")
    last = ""
    for path in places(number):
        probe = client.probe(f"{mirror}/{path}")
        if probe.ok:
            name = f"{number}{path[path.rindex('.') :]}"
            return Item(source.id, number, f"{mirror}/{path}", name, probe.bytes, None, source.entry.licence, {**said})
        if probe.status is None or probe.status >= 500:  # the mirror is in trouble: that says nothing about the book
            raise Unfetched(f"{mirror}/{path}", probe.why, final=False, status=probe.status)
        last = probe.why
    return Rejected(number, "no text on the mirror", f"{mirror}: {last}")


def places(number: str) -> list[str]:
    """Where a mirror may keep a book: made from its master, then as it was handed in, UTF-8 first, HTML last.

    https://www.gutenberg.org/help/mirroring.html: book 12345 is in 1/2/3/4/12345, book 7 in 0/7.
    """
    folder = f"{'/'.join(number[:-1]) or '0'}/{number}"
    return [
        f"cache/epub/{number}/pg{number}.txt",
        *(f"{folder}/{number}{mark}.txt" for mark in ("-0", "-8", "")),
        f"{folder}/{number}-h/{number}-h.htm",
    ]
