"""PDF files that have a text layer, page by page. What is only a picture of a text is rejected, not recognised."""

from __future__ import annotations

import logging
import struct
import zlib
from typing import IO, Any

from holdfast.text.read.place import LARGEST_WHOLE_BYTES, Found, Place, missing, seekable
from holdfast.text.rejection import Unreadable

PAGE_BREAK = "\f"
# A damaged file breaks the library at any place where it trusts what it reads; these are the errors of that.
_DAMAGE = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, NotImplementedError)
_MORE_DAMAGE = (RecursionError, TypeError, ValueError, struct.error, zlib.error)


def document(stream: IO[bytes], place: Place) -> Found:
    """The text layer as one document, pages apart by form feeds, with the title and author the file gives itself.

    Its dates are those of the file and say nothing of the work. Raises DataFault when the library is not installed.
    """
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError:
        raise missing("pypdf", place) from None
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it mends is no news
    try:
        reader = PdfReader(seekable(stream))
        if reader.is_encrypted:
            raise Unreadable("encrypted")
        text = _text(reader)
        said = _said(reader)
    except (PyPdfError, *_DAMAGE, *_MORE_DAMAGE) as error:
        raise Unreadable("damaged PDF file", f"{type(error).__name__}: {error}"[:200]) from None
    if not text.strip():
        raise Unreadable("no text layer", f"{len(reader.pages):,} pages")
    yield place.document(text, meta=said)


def _text(reader: Any) -> str:
    pages = []
    room = LARGEST_WHOLE_BYTES
    for page in reader.pages:
        pages.append(page.extract_text())
        room -= len(pages[-1])
        if room < 0:
            raise Unreadable("too large to be read whole", f"more than {LARGEST_WHOLE_BYTES:,} characters")
    return f"\n{PAGE_BREAK}".join(pages)


def _said(reader: Any) -> dict[str, Any]:
    info = reader.metadata
    if info is None:
        return {}
    found = {"title": info.title, "author": info.author}
    return {key: " ".join(value.split()) for key, value in found.items() if isinstance(value, str) and value.strip()}
