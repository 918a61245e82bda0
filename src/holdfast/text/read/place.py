"""Where a text was found, and what readers share: documents from there, streams held whole or made seekable."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.text.read.encoding import sound
from holdfast.text.read.mojibake import mended
from holdfast.text.rejection import Rejected, Unreadable

LARGEST_WHOLE_BYTES = 32 << 20  # for what can only be read whole: pages, XML, text in wide encodings

Found = Iterator[Document | Rejected]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text was found: what its id and its meta say.

    id:             unique in the corpus.
    name:           the file, of an archive the archive.
    field:          of a row, the one that holds the text.
    inside_archive: an archive in here is not opened.
    header:         a file beside that tells of this one; see `text.read.header`.
    """

    id: str
    name: str
    field: str
    inside_archive: bool = False
    header: Path | None = None

    def document(self, text: str, encoding: str = "utf-8", meta: Mapping[str, Any] = MappingProxyType({})) -> Document:
        """A document from here; meta always says `path`, and `encoding` when it is worth a word."""
        text, was = mended(sound(text))
        said = ", ".join(filter(None, ("" if encoding == "utf-8" else encoding, was)))
        return Document(self.id, text, {**meta, **({"encoding": said} if said else {}), "path": self.name})

    def below(self, part: str) -> Place:
        """A part of this place."""
        return replace(self, id=f"{self.id}:{part}")


def whole(stream: IO[bytes], held: bytes = b"") -> bytes:
    """What was held of a stream already and all the rest. Raises Unreadable above LARGEST_WHOLE_BYTES."""
    data = held + stream.read(LARGEST_WHOLE_BYTES + 1 - len(held))
    if len(data) > LARGEST_WHOLE_BYTES:
        raise Unreadable("too large to be read whole", f"more than {LARGEST_WHOLE_BYTES:,} bytes")
    return data


def seekable(stream: IO[bytes]) -> IO[bytes]:
    """The stream itself where it can be read from any place, else all of it in memory."""
    return stream if stream.seekable() else io.BytesIO(whole(stream))


def missing(library: str, place: Place) -> DataFault:
    """The fault of a file that needs a library of the extra `data`."""
    return DataFault(f"{place.name} needs the library {library}", "pip install 'holdfast[data]'")
