"""Plain text, in one piece or, where it is huge, in several."""

from __future__ import annotations

import itertools
from typing import IO

from holdfast.base.records import Document
from holdfast.text.read.encoding import decode, is_wide
from holdfast.text.read.place import Found, Place, whole

PIECE_BYTES = 8 << 20  # a longer text becomes several documents, cut between paragraphs; no novel is that long


def text(stream: IO[bytes], place: Place) -> Found:
    """The text as it stands: line ends, page breaks and all."""
    held = b""
    for number in itertools.count(1):
        data = held + stream.read(PIECE_BYTES - len(held))
        if number == 1 and is_wide(data):
            yield _decoded(whole(stream, data), place)
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
