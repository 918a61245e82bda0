"""Text from local files: plain, Markdown, HTML, JSON lines, parquet, packed or not, and tar archives of these.

Every reader takes a stream and yields documents or rejections, so that what works for a file works for a member of an
archive. Memory stays flat: a file is read in pieces, an archive as it streams by.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO, Any

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.text.read import archive
from holdfast.text.read.compression import TYPICAL_GROWTH, Metered, unpacked
from holdfast.text.read.encoding import decode, is_wide, sound
from holdfast.text.read.html import declared_encoding, page_text
from holdfast.text.locate import InputFile, files_fingerprint, find_inputs
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected, Unreadable, preview
from holdfast.text.read.rows import plain_fields, rows
from holdfast.text.settings import CorpusSettings

PIECE_BYTES = 8 << 20  # a longer text becomes several documents, cut between paragraphs; no novel is that long
LARGEST_WHOLE_BYTES = 32 << 20  # for what can only be read whole: pages, and text in wide encodings
PARQUET_ROWS = 512  # read at once

_SHORT = {".tgz": (".tar", ".gz"), ".txz": (".tar", ".xz"), ".tzst": (".tar", ".zst"), ".tbz2": (".tar", ".bz2")}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text was found: what its id and its meta say.

    id:             unique in the corpus.
    name:           the file, of an archive the archive.
    field:          of a row, the one that holds the text.
    inside_archive: an archive in here is not opened.
    """

    id: str
    name: str
    field: str
    inside_archive: bool = False

    def document(self, text: str, encoding: str = "utf-8", **meta: Any) -> Document:
        """A document from here; meta always says `path`, and `encoding` when it is worth a word."""
        said = {} if encoding == "utf-8" else {"encoding": encoding}
        return Document(self.id, sound(text), {**meta, **said, "path": self.name})

    def below(self, part: str) -> Place:
        """A part of this place."""
        return replace(self, id=f"{self.id}:{part}")


Found = Iterator[Document | Rejected]


def units(settings: CorpusSettings, seed: int, meter: Meter) -> Iterator[Found]:
    """What was met that is no file, then each of the named files by name, in its own order. `seed` is not used: files
    are what they are.

    Raises DataFault when nothing can be read at all, or a format needs a library that is not installed.
    """
    assert settings.path is not None, "a checked recipe names a path for this source"
    inputs = find_inputs(settings.path)
    meter.total = inputs.bytes
    yield iter(inputs.rejected)
    for file in inputs.files:
        yield _file(file, settings.text_field, meter)


def fingerprint(settings: CorpusSettings) -> str:
    """What the named files hold right now."""
    assert settings.path is not None, "a checked recipe names a path for this source"
    return files_fingerprint(find_inputs(settings.path).files)


def unpacked_bytes(file: InputFile) -> int:
    """How much text a file holds, about, when it is packed."""
    return int(file.bytes * TYPICAL_GROWTH.get(_suffixes(file.name)[1], 1.0))


def _file(file: InputFile, field: str, meter: Meter) -> Found:
    place = Place(file.name, file.name, field)
    kind, packing = _suffixes(file.name)
    if kind not in (*_READERS, ".parquet") and (file.named or (packing and not kind)):
        kind = ".txt"  # whoever names a file means it to be read
    before = meter.done
    try:
        if kind == ".parquet" and not packing:
            yield from _parquet(file, place, meter)
        else:
            with open(file.path, "rb", buffering=0) as raw:
                yield from _stream(kind, packing, Metered(raw, meter.advance), place)
    except Unreadable as error:
        yield error.rejected(file.name)
    except OSError as error:
        yield Rejected(file.name, "unreadable file", error.strerror or str(error))
    meter.advance(before + file.bytes - meter.done)  # what was not read of it is done with as well


def _suffixes(name: str) -> tuple[str, str]:
    """("kind", "packing") of a file name, each with its dot or empty: books.jsonl.xz is (".jsonl", ".xz")."""
    path = PurePosixPath(name.lower())
    if path.suffix in _SHORT:
        return _SHORT[path.suffix]
    if path.suffix in TYPICAL_GROWTH:
        return path.with_suffix("").suffix, path.suffix
    return path.suffix, ""


def _stream(kind: str, packing: str, packed: Metered, place: Place) -> Found:
    reader = _READERS.get(kind)
    if reader is None or (kind == ".tar" and place.inside_archive):
        raise Unreadable("not a format that is read here", kind or "no suffix")
    yield from reader(unpacked(packed, packing), place)


def _text(stream: IO[bytes], place: Place) -> Found:
    """A text in one piece, or a huge one in several."""
    held = b""
    for number in itertools.count(1):
        data = held + stream.read(PIECE_BYTES - len(held))
        if number == 1 and is_wide(data):
            data += _rest(stream, len(data))
            yield _decoded(data, place)
            return
        if len(data) < PIECE_BYTES:
            if data or number == 1:
                yield _decoded(data, place if number == 1 else place.below(f"part-{number}"))
            return
        cut = _cut(data)
        yield _decoded(data[:cut], place.below(f"part-{number}"))
        held = data[cut:]


def _decoded(data: bytes, place: Place) -> Document:
    text, encoding = decode(data)
    return place.document(text, encoding)


def _cut(data: bytes) -> int:
    """Where to cut a piece of text: behind its last paragraph, else line, else word, else character."""
    for mark in (b"\n\n", b"\r\n\r\n", b"\n", b" "):
        if (found := data.rfind(mark, len(data) // 2)) >= 0:
            return found + len(mark)
    for back in range(1, 4):
        if data[-back] >= 0xC0:
            return len(data) - back
    return len(data)


def _rest(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(LARGEST_WHOLE_BYTES + 1 - size)
    if size + len(data) > LARGEST_WHOLE_BYTES:
        raise Unreadable("too large to be read whole", f"more than {LARGEST_WHOLE_BYTES:,} bytes")
    return data


def _page(stream: IO[bytes], place: Place) -> Found:
    data = _rest(stream, 0)
    markup, encoding = decode(data, declared_encoding(data))
    text, title = page_text(markup)
    yield place.document(text, encoding, **({"title": title} if title else {}))


def _rows(stream: IO[bytes], place: Place) -> Found:
    for number, row in rows(stream):
        where = place.below(str(number))
        if isinstance(row, Unreadable):
            yield row.rejected(where.id)
        else:
            yield _from_row(row, where, f"line {number}")


def _from_row(row: dict[str, Any], place: Place, said: str) -> Document | Rejected:
    text = row.get(place.field)
    if not isinstance(text, str):
        what = "no" if place.field not in row else "no text in"
        return Rejected(place.id, f"{what} field {place.field!r}", said, preview(", ".join(map(str, row))))
    return place.document(text, **plain_fields(row, place.field))


def _members(stream: IO[bytes], place: Place) -> Found:
    for found in archive.members(stream):
        if isinstance(found, Rejected):
            yield replace(found, id=f"{place.id}:{found.id}")
            continue
        name, content = found
        where = replace(place.below(name), inside_archive=True)
        try:
            yield from _stream(*_suffixes(name), Metered(content, _nobody), where)
        except Unreadable as error:
            yield error.rejected(where.id)


def _nobody(count: int) -> None:
    """Members are not metered: the archive around them is."""


def _parquet(file: InputFile, place: Place, meter: Meter) -> Found:
    try:
        from pyarrow import ArrowException, parquet, types
    except ImportError:
        raise DataFault(f"{file.name} needs the library pyarrow", "pip install 'holdfast[data]'") from None
    try:
        with parquet.ParquetFile(file.path) as table:
            schema = table.schema_arrow
            if place.field not in schema.names:
                raise Unreadable(f"no field {place.field!r}", f"columns: {', '.join(schema.names)[:200]}")
            plain = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
            columns = [each.name for each in schema if each.name == place.field or any(ask(each.type) for ask in plain)]
            share = file.bytes / max(1, table.metadata.num_rows)
            done = 0
            for batch in table.iter_batches(PARQUET_ROWS, columns=columns):
                for row in batch.to_pylist():
                    done += 1
                    yield _from_row(row, place.below(str(done)), f"row {done}")
                meter.advance(math.floor(share * batch.num_rows))
    except (ArrowException, EOFError) as error:
        raise Unreadable("damaged parquet file", str(error).partition("\n")[0]) from None


_READERS: dict[str, Callable[[IO[bytes], Place], Found]] = {
    **dict.fromkeys((".txt", ".text", ".md", ".markdown"), _text),
    **dict.fromkeys((".html", ".htm", ".xhtml"), _page),
    **dict.fromkeys((".jsonl", ".ndjson"), _rows),
    ".tar": _members,
}
