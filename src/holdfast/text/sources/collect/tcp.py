"""The Text Creation Partnership: early printed books, typed in by hand, as TEI P5.

One table describes all texts, and each text is a file of its own (https://github.com/textcreationpartnership/Texts).
An id says the collection: A and B are EEBO (1473-1700), K is ECCO (1700-1800), N is Evans (America, 1640-1800).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.answers import catalogue, holds, table

TABLE = "https://raw.githubusercontent.com/textcreationpartnership/Texts/master/TCP.csv"
TEXT = "https://raw.githubusercontent.com/textcreationpartnership/{id}/master/{id}.xml"
LETTERS = {"eebo": "AB", "ecco": "K", "evans": "N"}
_COLUMNS = ("TCP", "Status", "Author", "Date", "Title", "Terms")
_ID = re.compile(r"[A-Z]\d{5,6}(\.\d{3})?")
_YEAR = re.compile(r"\b1[4-8]\d\d\b")


def listed(source: Source, client: Client) -> Iterator[Item | Rejected]:
    """The texts of these ids, then those of the collections: free, of the period, and about the words if there are any.

    A text without a year in the table is left out where a period is asked for.
    """
    entry = source.entry
    for id in dict.fromkeys(entry.ids):
        yield _text(source, id, {}) if _ID.fullmatch(id) else Rejected(id, "not an id of the partnership")
    if not entry.series:
        return
    letters = "".join(LETTERS[series] for series in entry.series)
    for row in table(catalogue(client, TABLE), _COLUMNS):
        id = row["TCP"].strip()
        if not _ID.fullmatch(id) or id[0] not in letters or id in entry.ids:
            continue
        if not holds(entry.words, row["Title"], row["Author"], row["Terms"]):
            continue
        year = int(found[0]) if (found := _YEAR.search(row["Date"])) else None
        if row["Status"].strip().lower() != "free":
            yield Rejected(id, "not free", row["Status"])
        elif entry.period is not None and (year is None or not entry.period.first <= year <= entry.period.last):
            yield Rejected(id, "outside the period", row["Date"])
        else:
            said = {"title": row["Title"].strip(), "author": row["Author"].strip(), "year": year}
            yield _text(source, id, {key: value for key, value in said.items() if value})


def _text(source: Source, id: str, said: dict[str, Any]) -> Item:
    return Item(source.id, id, TEXT.format(id=id), f"{id}.xml", None, None, source.entry.licence, said)
