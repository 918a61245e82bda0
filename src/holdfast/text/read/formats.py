"""Which reader a file is for: by its suffix, and by its first bytes where a suffix lies or is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO

from holdfast.text.read import archive, epub, html, nested, parquet, pdf, plain, rows, table, xml, zipped
from holdfast.text.read.compression import TYPICAL_GROWTH, Metered, Readable, unpacked
from holdfast.text.read.place import Found, Place
from holdfast.text.rejection import Rejected, Unreadable

Reader = Callable[[IO[bytes], Place], Found]

ARCHIVES = (".tar", ".zip")
VERSION = 2  # one more whenever a reader gives other documents for the same bytes: corpora are built again
HEADER = ".hdr"  # the Text Creation Partnership's header to a text of the same name

_NEEDS = {".parquet": "pyarrow", ".pdf": "pypdf", **dict.fromkeys((".xml", ".tei", ".cnxml", ".epub"), "lxml")}
TEXT_PER_BYTE = {".xml": 0.6, ".zip": 2.8, ".epub": 2.2, ".pdf": 0.1}  # about; the rest is mostly text

_SHORT = {".tgz": (".tar", ".gz"), ".txz": (".tar", ".xz"), ".tzst": (".tar", ".zst"), ".tbz2": (".tar", ".bz2")}
_MARKED = ((b"%PDF-", ".pdf"), (b"PK\3\4", ".zip"), (b"PAR1\x15", ".parquet"))  # the last: with its usual first byte
_EPUB = b"mimetypeapplication/epub+zip"  # the first member, as the standard has it
_HTML = (b"<!doctype html", b"<html")


def kind_of(name: str) -> tuple[str, str]:
    """("kind", "packing") of a file name, each with its dot or empty: books.jsonl.xz is (".jsonl", ".xz")."""
    path = PurePosixPath(name.lower())
    if path.suffix in _SHORT:
        return _SHORT[path.suffix]
    if path.suffix in TYPICAL_GROWTH:
        return path.with_suffix("").suffix, path.suffix
    return path.suffix, ""


def library_for(name: str) -> str | None:
    """The library of the extra `data` that a file of this name needs."""
    return _NEEDS.get(kind_of(name)[0])


def read(name: str, packed: Metered, place: Place, named: bool = False) -> Found:
    """The documents of a file.

    named: somebody asked for this very file, so that it is a text when it is nothing else.
    Raises Unreadable for what is not read here, and where the reader can not go on.
    """
    kind, packing = kind_of(name)
    stream = unpacked(packed, packing)
    kind = _seen(kind, stream.peek())
    if kind not in _READERS and (named or (packing and not kind)):
        kind = ".txt"
    if kind not in _READERS or (kind in ARCHIVES and place.inside_archive):
        raise Unreadable("not a format that is read here", kind or "no suffix")
    yield from _READERS[kind](stream, place)


def _seen(kind: str, head: bytes) -> str:
    """The kind that the first bytes show, where the suffix leaves it open or is known to be wrong at times."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:100].lower()
    if kind in (".txt", ".xml", "") and start.startswith(_HTML):
        return ".html"
    if kind in (".txt", ""):
        kind = next((shown for mark, shown in _MARKED if head.startswith(mark)), kind)
    if not kind and start.startswith(b"<?xml"):
        return ".xml"
    return ".epub" if kind == ".zip" and _EPUB in head[:100] else kind


def _archived(members: Callable[[Readable], Iterator[tuple[str, Readable] | Rejected]]) -> Reader:
    def documents(stream: IO[bytes], place: Place) -> Found:
        for found in members(stream):
            if isinstance(found, Rejected):
                yield replace(found, id=f"{place.id}:{found.id}")
                continue
            name, content = found
            where = replace(place.below(name), inside_archive=True)
            try:
                yield from read(name, Metered(content, _nobody), where)
            except Unreadable as error:
                yield error.rejected(where.id)

    return documents


def _nobody(count: int) -> None:
    """Members are not metered: the archive around them is."""


def _header(stream: IO[bytes], place: Place) -> Found:
    raise Unreadable("a header, not a text", "read together with the text of the same name")


_READERS: dict[str, Reader] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown"), plain.text),
    **dict.fromkeys((".html", ".htm", ".xhtml"), html.page),
    **dict.fromkeys((".jsonl", ".ndjson"), rows.documents),
    **dict.fromkeys((".xml", ".tei", ".cnxml"), xml.texts),
    ".json": nested.documents,
    ".csv": table.commas,
    ".tsv": table.tabs,
    ".parquet": parquet.documents,
    ".pdf": pdf.document,
    ".epub": epub.document,
    ".tar": _archived(archive.members),
    ".zip": _archived(zipped.members),
    HEADER: _header,
}
