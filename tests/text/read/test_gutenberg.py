"""The head of a Project Gutenberg file."""

import pytest

from holdfast.base.records import Document
from holdfast.text.read.gutenberg import facts

HEAD = """The Project Gutenberg EBook of The Heron, by Ada Marsh

Title: The Heron
       A Tale of the Sea

Author: Ada Marsh

Release Date: October, 2005 [EBook #1]

Language: English

{star}START OF THE PROJECT GUTENBERG EBOOK THE HERON ***

Title: not this
Author: nor this
"""


@pytest.mark.parametrize("star", ["*** ", "***"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_it_says(star: str, line_end: str) -> None:
    assert facts(HEAD.format(star=star).replace("\n", line_end)) == {
        "title": "The Heron A Tale of the Sea",
        "author": "Ada Marsh",
        "language": "en",
    }


def test_what_is_below_the_head_or_from_elsewhere_says_nothing() -> None:
    assert facts("Title: A letter\nAuthor: Somebody\n") == {}
    assert facts("x" * 9000 + HEAD) == {}
    assert facts("*** START OF PROJECT GUTENBERG\nProject Gutenberg\nTitle: not this") == {}
    assert "language" not in facts(HEAD.format(star="***").replace("English", "Klingon"))


def test_a_book_that_is_not_free_says_so() -> None:
    said = facts("** This is a COPYRIGHTED Project Gutenberg eBook, Details Below **\nTitle: New\n")
    assert said == {"title": "New", "licence": "copyrighted"}


def test_pages_and_plain_files_say_it(document) -> None:  # type: ignore[no-untyped-def]
    plain: Document = document("a.txt", HEAD)
    page: Document = document("a.html", f"<title>Heron</title><pre>{HEAD}</pre><p>Text.")
    assert plain.text == HEAD
    assert plain.meta["author"] == page.meta["author"] == "Ada Marsh"
    assert page.meta["title"] == "Heron"
