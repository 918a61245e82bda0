"""What holds for every kind: limits, names, and a contract for each file of the folder."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import get_args

import pytest

from holdfast.text.sources import collect as folder
from holdfast.text.sources.catalogue.entry import FIELDS, Kind
from holdfast.text.sources.collect.listing import COLLECTORS, fetchable

from .conftest import Shelf, source

NO_COLLECTORS = {"answers", "check", "listing"}
URLS = [f"https://a.example/{name}" for name in ("1.txt", "2.txt", "3.txt", "b/1.txt", "B/1.txt")]


def test_every_kind_has_its_fields_and_all_but_two_a_collector() -> None:
    assert set(FIELDS) == set(get_args(Kind))
    assert set(FIELDS) - set(COLLECTORS) == {"local", "by-hand"}
    files = {found.name for found in pkgutil.iter_modules(folder.__path__)} - NO_COLLECTORS
    assert {each.__module__.rpartition(".")[2] for each in COLLECTORS.values()} == files
    for name in files:
        listed = importlib.import_module(f"{folder.__name__}.{name}").listed
        assert list(inspect.signature(listed).parameters) == ["source", "client"]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, ["1.txt", "2.txt", "3.txt", "b/1.txt"]),
        ({"max_items": 2}, ["1.txt", "2.txt"]),
        ({"include": ["b/*", "2.*"]}, ["2.txt", "b/1.txt"]),
        ({"exclude": ["*1.txt"]}, ["2.txt", "3.txt"]),
        ({"include": ["*1.txt"], "exclude": ["[bB]/*"], "max_items": 9}, ["1.txt"]),
    ],
)
def test_limits(collect: Callable, limits: dict, kept: list[str]) -> None:
    found, left = collect({}, kind="http-list", urls=URLS, **limits)
    assert [each.name for each in found] == kept
    assert all(why.startswith("another file") for why in left.values())
    assert bool(left) == (not limits)


def test_nothing_is_asked_that_nobody_takes(collect: Callable) -> None:
    shelf = Shelf({})
    ids = [str(number) for number in range(100)]
    for number in ids:
        shelf.answers[f"https://m.example/cache/epub/{number}/pg{number}.txt"] = b"text"
    found, _ = collect(shelf, kind="gutenberg", ids=ids, mirror="https://m.example", max_items=3)
    assert len(found) == len(shelf.asked) == 3


def test_what_lies_here_or_has_to_be_asked_for_is_not_fetched(collect: Callable) -> None:
    for fields in ({"kind": "local", "path": "x"}, {"kind": "by-hand", "url": "https://a.example"}):
        assert not fetchable(source(**fields).entry)
        assert collect({}, **fields) == ([], {})
