"""EPUB books."""

import io
import random
import zipfile
from collections.abc import Callable

import pytest

from holdfast.base.records import Document
from holdfast.text.read import epub as module
from holdfast.text.rejection import Rejected

pytest.importorskip("lxml")

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>The Heron</dc:title><dc:creator>Ada Marsh</dc:creator><dc:creator>Another</dc:creator>
<dc:language>en-GB</dc:language><dc:date>2008-06-27</dc:date><dc:rights>Public domain in the USA.</dc:rights></metadata>
<manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one%20part.xhtml" media-type="application/xhtml+xml"/>
<item id="x" href="aside.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="cover.jpg" media-type="image/jpeg"/></manifest>
<spine><itemref idref="p"/><itemref idref="n"/><itemref idref="a"/><itemref idref="x" linear="no"/><itemref idref="b"/>
<itemref idref="nobody"/></spine></package>"""
FILES = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/nav.xhtml": "<p>Contents</p>",
    "OEBPS/aside.xhtml": "<p>Aside</p>",
    "OEBPS/text/two.xhtml": "<html><title>Two</title><body><p>And &eacute;t&eacute;.</p></body></html>",
    "OEBPS/text/one part.xhtml": '<?xml version="1.0"?><html><body><h1>I</h1><p>She came\n in.</p></body></html>',
}


def book(**changed: str | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in {**FILES, **changed}.items():
            if text is not None:
                archive.writestr(zipfile.ZipInfo(name), text)
    return out.getvalue()


@pytest.mark.parametrize("name", ["a.epub", "a.zip"])
def test_pages_in_the_order_of_the_spine(name: str, document: Callable[..., Document]) -> None:
    found = document(name, book())
    assert found.text == "I\n\nShe came in.\n\nAnd été."
    assert dict(found.meta) == {
        "title": "The Heron",
        "author": "Ada Marsh",
        "language": "en",
        "licence": "Public domain in the USA.",
        "path": name,
    }


LOCKED = '<encryption><CipherReference URI="OEBPS/text/two.xhtml"/></encryption>'


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"META-INF/container.xml": None}, "a part is missing: META-INF/container.xml"),
        ({"META-INF/container.xml": "<container/>"}, "a part is missing: its container names no package"),
        ({"OEBPS/book.opf": "<package><broken"}, "broken XML"),
        ({"OEBPS/book.opf": "<package/>"}, "no text in it"),
        ({"OEBPS/text/two.xhtml": None}, "a part is missing: OEBPS/text/two.xhtml"),
        ({"META-INF/encryption.xml": LOCKED}, "encrypted: OEBPS/text/two.xhtml"),
    ],
)
def test_what_can_not_be_read_has_a_reason(
    changed: dict[str, str | None], why: str, reason: Callable[..., str]
) -> None:
    assert reason("a.epub", book(**changed)).startswith(why)


def test_locked_fonts_lock_no_text(document: Callable[..., Document]) -> None:
    assert document("a.epub", book(**{"META-INF/encryption.xml": LOCKED.replace("text/two.xhtml", "font.otf")})).text


def test_a_book_is_bounded_as_a_whole(reason: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_WHOLE_BYTES", 4000)
    assert reason("a.epub", book(**{"OEBPS/text/two.xhtml": "x" * 3990})).startswith("too large to be read whole")
    assert reason("a.epub", book(**{"OEBPS/text/two.xhtml": "x" * 9000})).startswith("too large to be read whole")


@pytest.mark.timeout(20)
def test_a_spine_that_names_one_page_for_ever_is_bounded(reason: Callable[..., str]) -> None:
    spine = PACKAGE.replace("<spine>", "<spine>" + '<itemref idref="b"/>' * 200_000)
    changed = {"OEBPS/book.opf": spine, "OEBPS/text/two.xhtml": ""}
    assert reason("a.epub", book(**changed)).startswith("too large to be read whole")


@pytest.mark.parametrize("seed", range(60))
def test_damage_anywhere_gives_text_or_a_reason(seed: int, read: Callable[..., list[Document | Rejected]]) -> None:
    draw = random.Random(seed)
    data = bytearray(book())
    for _ in range(draw.randrange(1, 9)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    assert len(read("a.epub", bytes(data))) == 1
