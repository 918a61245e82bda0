"""Searches that go on by a cursor, and the records of what they find."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from holdfast.base.faults import DataFault
from holdfast.text.sources.catalogue.entry import Entry
from holdfast.text.sources.collect.internet_archive import FILES, RECORD, SEARCH, search_words

QUERY = "(title:london) AND mediatype:texts AND date:[1700-01-01 TO 1710-12-31]"
FIELDS = {"kind": "internet-archive", "query": "title:london", "period": "1700-1710"}


def page(number: int | None = None) -> str:
    asked = {"q": QUERY, "fields": "identifier,access-restricted-item,collection", "count": "1000"}
    return f"{SEARCH}?{urlencode(asked if number is None else asked | {'cursor': f'c{number}'})}"


def record(id: str, said: dict[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    """A record with a scan, its OCR text, and more that is no text."""
    files = [
        {"name": f"{id}.pdf", "format": "Text PDF", "size": "9"},
        {"name": f"{id}_djvu.txt", "format": "DjVuTXT", "size": "1234", "md5": "0"},
        {"name": f"{id}_djvu.xml", "format": "Djvu XML"},
    ]
    return {"metadata": {"identifier": id, **(said or {})}, "files": files, **facts}


def test_a_search_is_followed_to_its_end(collect: Callable) -> None:
    answers = {
        page(): {"items": [{"identifier": "a"}, {"identifier": "lent", "collection": ["inlibrary"]}], "cursor": "c1"},
        page(1): {"items": [{"identifier": "b"}, {}, {"identifier": 7}], "total": 3},
        RECORD + "a": record("a", {"title": "London", "creator": ["Anon.", "B"], "date": "1702?"}),
        RECORD + "b": record("b", {"licenseurl": "http://creativecommons.org/publicdomain/mark/1.0/"}),
    }
    found, left = collect(answers, **FIELDS)
    assert [(each.id, each.url, each.name, each.bytes) for each in found] == [
        ("a", f"{FILES}a/a_djvu.txt", "a_djvu.txt", 1234),
        ("b", f"{FILES}b/b_djvu.txt", "b_djvu.txt", 1234),
    ]
    assert found[0].meta == {"title": "London", "author": "Anon.", "year": 1702}
    assert found[1].meta == {"licence": found[1].licence}
    assert [each.licence for each in found] == ["public domain", "http://creativecommons.org/publicdomain/mark/1.0/"]
    assert left == {"lent": "only on loan"}


def test_what_may_not_be_read_is_left_out_and_said(collect: Callable) -> None:
    private = record("private")
    private["files"][1]["private"] = "true"
    answers = {
        RECORD + "lent": record("lent", {"access-restricted-item": "true"}),
        RECORD + "library": record("library", {"collection": "printdisabled"}),
        RECORD + "dark": record("dark", is_dark=True),
        RECORD + "private": private,
        RECORD + "pictures": {"metadata": {}, "files": [{"name": "p.jp2", "format": "JPEG"}, "odd", {"name": 1}]},
        RECORD + "bare": {"metadata": {"title": []}},
        RECORD + "gone": {},
    }
    found, left = collect(answers, kind="internet-archive", ids=[key.rsplit("/", 1)[1] for key in answers])
    assert not found
    assert left == {
        "lent": "only on loan",
        "library": "only on loan",
        "dark": "not to be downloaded",
        "private": "it has no text",
        "pictures": "it has no text",
        "bare": "it has no text",
        "gone": "no such item",
    }


def test_names_of_other_alphabets_and_signs_are_stored(collect: Callable) -> None:
    odd = record("ü/..")
    odd["files"] = [{"name": "Über London: 1700?.txt", "format": "Text", "size": "?"}]
    found, left = collect({RECORD + "%C3%BC%2F..": odd}, kind="internet-archive", ids=["ü/.."])
    assert [(each.url, each.name, each.bytes) for each in found] == [
        (f"{FILES}%C3%BC%2F../%C3%9Cber%20London%3A%201700%3F.txt", "ü/txt", None)
    ]
    assert not left


def test_a_search_that_goes_round_in_circles_is_a_fault(collect: Callable) -> None:
    answers = {page(): {"items": [{}], "cursor": "c1"}, page(1): {"items": [{}], "cursor": "c1"}}
    with pytest.raises(DataFault, match="round in circles"):
        collect(answers, **FIELDS)


def test_half_a_character_is_no_reason_to_stop(collect: Callable) -> None:
    answers = {page(): b'{"items": [{"identifier": "a\\ud800b"}]}', RECORD + "a%3Fb": record("a?b")}
    found, left = collect(answers, **FIELDS)
    assert [each.name for each in found] == ["a_b_djvu.txt"]
    assert not left


@pytest.mark.parametrize(
    "answer", [b"[" * 100_000, {"error": "invalid query"}, {"items": "none"}, [], b"<html></html>", b"", b"\xff"]
)
def test_an_answer_that_is_no_page_of_a_search_is_a_fault(collect: Callable, answer: Any) -> None:
    with pytest.raises(DataFault):
        collect({page(): answer}, **FIELDS)


def test_nothing_found_is_nothing(collect: Callable) -> None:
    assert collect({page(): {"items": [], "total": 0, "cursor": "c1"}}, **FIELDS) == ([], {})


def test_without_a_period_none_is_asked_for() -> None:
    entry = Entry(name="It", licence="x", kind="internet-archive", query="a OR b")
    assert search_words(entry) == "(a OR b) AND mediatype:texts"
