"""Which reader a file is for, and that no bytes under any name ever do more than yield texts and reasons."""

import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.base.records import Document
from holdfast.text.read import formats
from holdfast.text.read.compression import Metered
from holdfast.text.read.formats import kind_of
from holdfast.text.read.place import Place
from holdfast.text.rejection import Rejected, Unreadable

HTML = b"<!DOCTYPE html><html><body><p>Page.</p></body></html>"
TEI = b"<?xml version='1.0'?><TEI><text><p>Work.</p></text></TEI>"


def test_kinds_and_packings() -> None:
    assert kind_of("A/Books.JSONL.XZ") == (".jsonl", ".xz")
    assert kind_of("a.tgz") == (".tar", ".gz")
    assert kind_of("a.gz") == ("", ".gz")
    assert kind_of("README") == ("", "")
    assert kind_of("K1.000.xml") == (".xml", "")


def test_every_suffix_is_documented() -> None:
    page = Path(__file__).parents[3] / "docs" / "explanation" / "what-is-read.md"
    rows = [line.split("|")[1] for line in page.read_text("utf-8").splitlines() if line.startswith("| `.")]
    assert set(re.findall(r"`(\.\w+)`", "".join(rows))) == set(formats._READERS)


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.txt", HTML, "Page."),
        ("a.xml", b"\xef\xbb\xbf\n<html><body>Page.</body></html>", "Page."),
        ("a.xml", b"<?xml version='1.0'?><html><body><p>Page.</p></body></html>", "Page."),
        ("page", HTML, "Page."),
        ("work", TEI, "Work."),
        ("work.tei", TEI, "Work."),
        ("a.xml.gz", gzip.compress(TEI, mtime=0), "Work."),
        ("a.gz", gzip.compress(b"Plain.", mtime=0), "Plain."),
        ("a.txt", TEI, TEI.decode()),
        ("a.txt", b"<p>no page, but a text with a tag", "<p>no page, but a text with a tag"),
    ],
)
def test_content_counts_where_a_name_does_not_tell(
    name: str, data: bytes, text: str, document: Callable[..., Document]
) -> None:
    pytest.importorskip("lxml")
    assert document(name, data).text == text


def test_what_has_no_kind_is_text_only_for_whoever_names_it(
    document: Callable[..., Document], reason: Callable[..., str]
) -> None:
    assert reason("README", b"Read me.") == "not a format that is read here: no suffix"
    assert document("README", b"Read me.", named=True).text == "Read me."
    assert document("log.out", b"Logged.", named=True).text == "Logged."
    assert reason("a.csv", b"Logged.", named=True).startswith("no column")
    assert reason("a.hdr", b"<HEADER/>").startswith("a header, not a text")


def archived() -> dict[str, bytes]:
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("x.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"One."))
    with zipfile.ZipFile(packed, "w") as book:
        book.writestr("x.txt", "One.")
    return {".tar": tar.getvalue(), ".zip": packed.getvalue()}


SAMPLES = {
    **dict.fromkeys(formats._READERS, b"text\n\nMore of it."),
    **dict.fromkeys((".html", ".htm", ".xhtml", ".txt"), HTML),
    **dict.fromkeys((".xml", ".tei", ".cnxml", ""), TEI),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), json.dumps({"text": "x", "a": [{"text": "y"}]}).encode()),
    ".csv": b'text,b\n"x",y\n',
    ".pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1>>endobj\n"
    b"trailer<</Root 1 0 R>>",
    **archived(),
    ".epub": archived()[".zip"],
}
suffixes = st.sampled_from([*SAMPLES, ".unknown"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A name, and a sample of that kind with some bytes changed, cut and put in, or any bytes at all."""
    suffix = draw(suffixes)
    data = bytearray(SAMPLES.get(suffix, b"x"))
    for place, change in draw(st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=6)), max_size=5)):
        place = min(place, len(data))
        data[place : place + draw(st.integers(0, 8))] = change
    content = draw(st.sampled_from([bytes(data), bytes(data[: len(data) // 2]), draw(st.binary(max_size=300))]))
    packing = draw(st.sampled_from(["", "", "", ".gz"]))
    return "a" + suffix + packing, gzip.compress(content, mtime=0) if packing else content


@given(files(), st.booleans(), st.sampled_from(["text", "body", "encoding"]))
@example(("a.jsonl", b'{"body": "x", "text": "y", "self": 1, "encoding": 5, "meta": {"path": "z"}}'), False, "body")
def test_any_bytes_under_any_name_give_texts_or_reasons(file: tuple[str, bytes], named: bool, field: str) -> None:
    name, data = file
    place = Place(name, name, field)
    try:
        for found in formats.read(name, Metered(io.BytesIO(data), lambda count: None), place, named):
            assert isinstance(found, Document | Rejected)
            assert found.id.startswith(name)
            if isinstance(found, Document):
                found.text.encode("utf-8")
                json.dumps(dict(found.meta), allow_nan=False)
    except Unreadable as error:
        assert error.reason, "a reason is told"  # noqa: PT017
