"""Nothing is ever stored outside its folder, whatever a catalogue calls it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.fetch.items import BadName, Item, place


def item(name: str, source: str = "books") -> Item:
    return Item(source, "1", "https://example.org/1", name)


@pytest.mark.parametrize("name", ["a.txt", "a/b/c.txt", "Ödön von Horváth.txt", "a b.txt", "x" * 200])
def test_plain_names(name: str) -> None:
    assert place(Path("/cache"), item(name)) == Path("/cache/books") / name


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../a", "a/../b", "a/../../b", "/etc/passwd", "//host/a", "a//b", "a/", "./a", "a\0b", "a\nb",
        "..\\a", "C:\\a", "C:a", "a\\b", ".hidden", "a/.b", "a.", "a ", "x" * 300, "a/" * 600 + "b", "\ud800", "a?b",
        "\u202etxt.exe",
    ],
)  # fmt: skip
def test_tricks(name: str) -> None:
    with pytest.raises(BadName):
        place(Path("/cache"), item(name))


@pytest.mark.parametrize("source", ["", "..", ".", "a/b", "/a", "a.b", "-a", "a\0", "a" * 200, "ä"])
def test_tricks_with_the_source(source: str) -> None:
    with pytest.raises(BadName):
        place(Path("/cache"), item("a.txt", source))


SIGNS = st.text("ab./\\\0 -_\u202e", max_size=8)


@given(SIGNS, SIGNS)
def test_what_has_a_place_is_inside_the_folder(source: str, name: str) -> None:
    try:
        path = place(Path("/cache"), item(name, source))
    except BadName:
        return
    assert os.path.normpath(path) == str(path)
    assert path.is_relative_to(Path("/cache") / source)
    assert not path.name.startswith(".")


def test_an_item_as_data_and_back() -> None:
    whole = Item("books", "1", "https://example.org/1", "a.txt", 5, "ab", "CC0-1.0", {"year": 1719, "title": "Ü"})
    assert Item.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


@pytest.mark.parametrize("change", [{"bytes": -1}, {"bytes": "5"}, {"url": 3}, {"meta": []}, {"more": 1}])
def test_what_is_no_item(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not an item"):
        Item.from_dict({**item("a.txt").to_dict(), **change})
