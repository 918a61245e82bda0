"""Books by their numbers and by words, from a mirror."""

from collections.abc import Callable

import pytest

from holdfast.base.faults import DataFault
from holdfast.text.sources.collect.gutenberg import CATALOGUE, MIRROR, places

HEAD = "Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves\n"
ROWS = """\
4200,Text,2003-12-31,"The Diary of Samuel Pepys
Complete",en,"Pepys, Samuel, 1633-1703",London -- Diaries,DA,
55998,Text,2017-11-18,London Labour,en,"Mayhew, Henry, 1812-1887",London -- Social,HV,
8000,Sound,2000-01-01,London aloud,en,"Pepys, Samuel, 1633-1703",,,
9000,Text,2000-01-01,Londres,fr,"Pepys, Samuel, 1633-1703",,,
9001,Text,2000-01-01,A London without an author,en,,,,
9002,Text,2000-01-01,Elsewhere,en,"Pepys, Samuel, 1633-1703",Oxford,,
"""


def at(number: int, path: str = "cache/epub/{0}/pg{0}.txt") -> str:
    return f"{MIRROR}/{path.format(number)}"


def test_a_book_is_looked_for_at_the_mirror_and_never_at_the_site(collect: Callable) -> None:
    found, left = collect({at(4200): b"text", at(7, "0/7/7-8.txt"): b"old"}, kind="gutenberg", ids=["4200", "7", "7"])
    assert [(each.id, each.url, each.name, each.bytes) for each in found] == [
        ("4200", f"{MIRROR}/cache/epub/4200/pg4200.txt", "4200.txt", 4),
        ("7", f"{MIRROR}/0/7/7-8.txt", "7.txt", 3),
    ]
    assert not left
    assert all("www.gutenberg.org" not in each.url for each in found)


def test_html_is_taken_where_there_is_no_text() -> None:
    assert places("12345")[-1] == "1/2/3/4/12345/12345-h/12345-h.htm"
    assert places("7")[1] == "0/7/7-0.txt"


def test_what_is_not_on_the_mirror_is_said(collect: Callable) -> None:
    found, left = collect({}, kind="gutenberg", ids=["10623", "Waverley", "½"], mirror="https://mirror.example/pg/")
    assert not found
    assert left["10623"].startswith("no text on the mirror: https://mirror.example/pg: the server says 404")
    assert left["Waverley"] == left["½"] == "not a number of Project Gutenberg"


def test_a_mirror_out_of_reach_says_nothing_about_its_books(collect: Callable) -> None:
    with pytest.raises(DataFault, match=r"source it can not be listed: .*no answer"):
        collect({at(4200): None}, kind="gutenberg", ids=["4200"])


def test_words_are_looked_for_in_the_catalogue(collect: Callable) -> None:
    answers = {CATALOGUE: (HEAD + ROWS).encode(), at(4200): b"text", at(55998): b"text"}
    found, left = collect(answers, kind="gutenberg", words=["LONDON"], period="1600-1700")
    assert [each.id for each in found] == ["4200"]
    assert found[0].meta == {
        "title": "The Diary of Samuel Pepys Complete",
        "author": "Pepys, Samuel, 1633-1703",
        "language": "en",
    }
    assert left == {
        "55998": "its authors lived outside the period: Mayhew, Henry, 1812-1887",
        "9001": "no author's years are known",
    }
    found, left = collect(answers, kind="gutenberg", words=["labour"], ids=["4200"])
    assert [each.id for each in found] == ["4200", "55998"]


@pytest.mark.parametrize("body", [b"<html>Blocked.</html>", b"", b"Text#,Title\n1,Alone\n"])
def test_a_catalogue_that_is_none_is_a_fault(collect: Callable, body: bytes) -> None:
    with pytest.raises(DataFault, match="not a table with"):
        collect({CATALOGUE: body}, kind="gutenberg", words=["London"])
