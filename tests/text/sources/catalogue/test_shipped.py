"""The lists that come with the package: what a hundred sources have to keep to."""

import os
import re
import socket
from pathlib import Path

import pytest

from holdfast.text.sources import catalogue
from holdfast.text.sources.catalogue.entry import Years
from holdfast.text.sources.catalogue.registry import Registry, Source, load

FOLDER = Path(catalogue.__file__).parent
OPEN = {"public domain", "CC0-1.0"}


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load()


def test_they_load_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the catalogue asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(os, "system", refuse)
    assert len(load()) > 99


def test_the_seeds_promise_is_kept(shipped: Registry) -> None:
    london = shipped.chosen(Years(1500, 1850), "London")
    assert len(london) >= 99
    assert len([source for source in london if source.entry.enabled]) >= 99
    for first in range(1500, 1850, 50):
        decades = [each for each in london if each.entry.period.meets(Years(first, first + 49))]  # type: ignore[union-attr]
        assert len([each for each in decades if each.entry.enabled]) >= 5, first
    families = ("fineweb-edu", "smoltalk", "tinystories", "wikitext-2", "old-bailey", "london-lives", "ecco-tcp")
    assert set(families) <= set(shipped)


def test_what_is_paid_asked_for_or_non_commercial_is_off(shipped: Registry) -> None:
    for source in shipped.values():
        entry = source.entry
        if entry.access in ("paid", "registration") or entry.kind == "by-hand" or "-NC" in entry.licence:
            assert not entry.enabled, source.id
        assert entry.enabled or len(entry.why or "") > 10, source.id
        assert entry.url, source.id


def test_numbers_name_one_book_each(shipped: Registry) -> None:
    where: dict[str, str] = {}
    for source in shipped.values():
        for id in source.entry.ids:
            assert re.fullmatch(r"[1-9]\d{0,5}", id), (source.id, id)
            assert where.setdefault(id, source.id) == source.id, f"{id} is in {where[id]} and in {source.id}"
        assert len(set(source.entry.ids)) == len(source.entry.ids)


def test_nothing_claims_to_have_been_seen(shipped: Registry) -> None:
    assert all(source.entry.probed is None for source in shipped.values())


def test_what_is_searched_for_is_bounded(shipped: Registry) -> None:
    for source in shipped.values():
        if source.entry.kind == "internet-archive":
            assert source.entry.max_items, source.id
            assert source.entry.period, source.id


def test_licences_are_said(shipped: Registry) -> None:
    def kind(source: Source) -> str:
        return source.entry.kind

    assert all(each.entry.licence in OPEN for each in shipped.values() if kind(each) in ("gutenberg", "tcp"))
    assert not [each.id for each in shipped.values() if each.entry.enabled and each.entry.licence == "unknown"]


def test_the_files_are_packed(shipped: Registry) -> None:
    assert {source.origin for source in shipped.values()} == {path.name for path in FOLDER.glob("*.yaml")}
