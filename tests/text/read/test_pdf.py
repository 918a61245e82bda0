"""PDF files with a text layer, without one, locked and broken."""

import io
import random
from collections.abc import Callable

import pytest

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.text.rejection import Rejected

pypdf = pytest.importorskip("pypdf")
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject  # noqa: E402


def pdf(*pages: str, title: str = "", password: str = "") -> bytes:
    """A file with one line of Helvetica on each page."""
    writer = pypdf.PdfWriter()
    kind = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica", "/Encoding": "/WinAnsiEncoding"}
    font = DictionaryObject({NameObject(key): NameObject(value) for key, value in kind.items()})
    for text in pages:
        page = writer.add_blank_page(200, 200)
        content = DecodedStreamObject()
        content.set_data(b"BT /F1 12 Tf 10 100 Td (" + text.encode("cp1252") + b") Tj ET" if text else b"")
        page[NameObject("/Contents")] = content
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
    writer.add_metadata({"/Title": title, "/Author": "A. Quill"})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_are_apart_by_form_feeds(document: Callable[..., Document]) -> None:
    found = document("a.pdf", pdf("The café by the sea.", "", "The end.", title="  The\n Sea "))
    assert found.text == "The café by the sea.\n\f\n\fThe end."
    assert dict(found.meta) == {"title": "The Sea", "author": "A. Quill", "path": "a.pdf"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (pdf("", ""), "no text layer: 2 pages"),
        (pdf("Secret.", password="open"), "encrypted"),
        (pdf("Cut off.")[:300], "damaged PDF file"),
        (b"", "damaged PDF file"),
        (b"no PDF at all", "damaged PDF file"),
    ],
)
def test_what_can_not_be_read_has_a_reason(data: bytes, why: str, reason: Callable[..., str]) -> None:
    assert reason("a.pdf", data).startswith(why)


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_gives_text_or_a_reason(seed: int, read: Callable[..., list[Document | Rejected]]) -> None:
    draw = random.Random(seed)
    data = bytearray(pdf("One page of it.", "Another page."))
    for _ in range(draw.randrange(1, 12)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    (found,) = read("a.pdf", bytes(data[: draw.randrange(len(data) // 2, len(data) + 1)]))
    assert isinstance(found, Document) or found.reason in ("damaged PDF file", "no text layer", "encrypted")


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, reason: Callable[..., str]) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    with pytest.raises(DataFault, match="needs the library pypdf"):
        reason("a.pdf", b"")
