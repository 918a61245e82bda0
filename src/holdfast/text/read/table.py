"""Tables with commas or tabs between the fields, and the names of the columns in the first row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO

from holdfast.text.read.encoding import decode, is_wide
from holdfast.text.read.place import Found, Place
from holdfast.text.read.rows import LONGEST_LINE_BYTES, row_document
from holdfast.text.rejection import Rejected, Unreadable, preview

LONGEST_FIELD_CHARACTERS = 8 << 20  # where a quote never closes, the rest of the table would be one field


def commas(stream: IO[bytes], place: Place) -> Found:
    """A document of each row of a .csv file."""
    return _documents(stream, place, ",")


def tabs(stream: IO[bytes], place: Place) -> Found:
    """A document of each row of a .tsv file."""
    return _documents(stream, place, "\t")


def _documents(stream: IO[bytes], place: Place, separator: str) -> Found:
    csv.field_size_limit(LONGEST_FIELD_CHARACTERS)  # of the whole process, and a text is longer than what it allows
    table = csv.reader(_lines(stream), delimiter=separator)
    try:
        columns = next(table, [])
        if place.field not in columns:
            raise Unreadable(f"no column {place.field!r}", f"columns: {preview(', '.join(columns))}")
        for number, row in enumerate(table, 1):
            where = place.below(str(number))
            if len(row) == len(columns):
                yield row_document(dict(zip(columns, row, strict=True)), where, f"row {number}")
            elif row:
                yield Rejected(where.id, "row of another length", f"{len(row)} fields, {len(columns)} columns")
    except csv.Error as error:
        raise Unreadable("broken table", f"line {table.line_num}: {error}") from None


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines as text, each decoded by itself; a field may go over several."""
    first = True
    while line := stream.readline(LONGEST_LINE_BYTES + 1):
        if first and is_wide(line):
            raise Unreadable("undecodable", "tables are read as UTF-8, and this is UTF-16 or UTF-32")
        if len(line) > LONGEST_LINE_BYTES:
            raise Unreadable("row too long", f"more than {LONGEST_LINE_BYTES:,} bytes")
        first = False
        yield decode(line)[0]
