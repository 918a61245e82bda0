"""What optical character recognition saw."""

from collections.abc import Callable

import pytest

from holdfast.base.records import Document

pytest.importorskip("lxml")


def page(*lines: str) -> str:
    words = [[f"<WORD coords='1,2'>{word}</WORD>" for word in line.split()] for line in lines]
    text = "".join(f"<LINE>{''.join(line)}</LINE>" for line in words)
    region = f"<PAGECOLUMN><REGION><PARAGRAPH>{text}</PARAGRAPH></REGION></PAGECOLUMN>"
    return f"<OBJECT><HIDDENTEXT>{region}</HIDDENTEXT></OBJECT>"


def book(*pages: str) -> str:
    return f"<?xml version='1.0'?><!DOCTYPE DjVuXML><DjVuXML><HEAD/><BODY>{''.join(pages)}</BODY></DjVuXML>"


def test_pages_lines_and_words(document: Callable[..., Document]) -> None:
    found = document("book_djvu.xml", book(page("192", "united la- ", "bours"), page(), page("of the &amp; two")))
    assert found.text == "192\nunited la-\nbours\n\f\n\fof the & two"


def test_plain_ocr_text_is_left_as_it_is(document: Callable[..., Document]) -> None:
    text = "192 \nunited la- \nbours \n\n\f193 \n"
    assert document("book_djvu.txt", text).text == text


def test_pictures_alone_are_no_text(reason: Callable[..., str]) -> None:
    assert reason("book_djvu.xml", book(page())).startswith("no text in it")
