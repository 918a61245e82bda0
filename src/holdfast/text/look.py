"""A file gone through to its end: whether it can be opened, whether it is whole, and how much is in it.

Nothing is kept, and nothing is judged but that: whether a text is worth anything is for those who read it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from holdfast.base.faults import DataFault
from holdfast.text.read import archive, zipped
from holdfast.text.read.compression import Metered, Readable, unpacked
from holdfast.text.read.formats import kind_of
from holdfast.text.read.rows import rows
from holdfast.text.rejection import Rejected, Unreadable

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """What a file turned out to be.

    count, unit: how many rows, lines or members are in it; a format without any counts as nothing.
    broken:      rows or members that a reader leaves out.
    """

    bytes: int
    sha256: str
    count: int | None = None
    unit: str = ""
    broken: int = 0


def sha256_of(path: Path) -> str:
    """The hash of a file. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def look(path: Path) -> Look:
    """Hash a file and go through all of it, unpacked.

    Raises Unreadable where it is damaged; OSError; DataFault when a format needs a library that is not installed.
    """
    digest = sha256_of(path)
    kind, packing = kind_of(path.name)
    goes_through, unit = _WAYS.get(kind, (_to_its_end, ""))
    with open(path, "rb", buffering=0) as raw:
        stream = unpacked(Metered(raw, lambda count: None), packing)
        count, broken = goes_through(stream)
    return Look(path.stat().st_size, digest, count if unit else None, unit, broken)


def _to_its_end(stream: Readable) -> tuple[int, int]:
    while stream.read(_PIECE):
        pass
    return 0, 0


def _lines(stream: IO[bytes]) -> tuple[int, int]:
    count, last = 0, b"\n"
    while piece := stream.read(_PIECE):
        count += piece.count(b"\n")
        last = piece[-1:]
    return count + (last != b"\n"), 0


def _objects(stream: IO[bytes]) -> tuple[int, int]:
    """JSON lines."""
    found = [0, 0]
    for _, row in rows(stream):
        found[isinstance(row, Unreadable)] += 1
    return found[0], found[1]


def _table(separator: str) -> Callable[[IO[bytes]], tuple[int, int]]:
    def count(stream: IO[bytes]) -> tuple[int, int]:
        text = io.TextIOWrapper(stream, "utf-8", errors="replace", newline="")
        try:
            return sum(1 for row in csv.reader(text, delimiter=separator) if row), 0
        except csv.Error as error:
            raise Unreadable("broken table", str(error)) from None
        finally:
            text.detach()

    return count


def _members(
    of: Callable[[Readable], Iterator[tuple[str, Readable] | Rejected]],
) -> Callable[[IO[bytes]], tuple[int, int]]:
    def count(stream: IO[bytes]) -> tuple[int, int]:
        found = [0, 0]
        for member in of(stream):
            found[isinstance(member, Rejected)] += 1
            if not isinstance(member, Rejected):
                _to_its_end(member[1])
        return found[0], found[1]

    return count


def _parquet(stream: IO[bytes]) -> tuple[int, int]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataFault("a parquet file needs the library pyarrow", "pip install 'holdfast[data]'") from None
    try:
        with parquet.ParquetFile(stream) as table:
            return sum(batch.num_rows for batch in table.iter_batches()), 0
    except (ArrowException, EOFError) as error:
        raise Unreadable("damaged parquet file", str(error).partition("\n")[0]) from None


_WAYS: dict[str, tuple[Callable[[IO[bytes]], tuple[int, int]], str]] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown"), (_lines, "lines")),
    **dict.fromkeys((".jsonl", ".ndjson"), (_objects, "rows")),
    ".csv": (_table(","), "rows"),
    ".tsv": (_table("\t"), "rows"),
    ".parquet": (_parquet, "rows"),
    ".tar": (_members(archive.members), "members"),
    **dict.fromkeys((".zip", ".epub"), (_members(zipped.members), "members")),
}
