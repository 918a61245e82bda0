"""Whatever a service answers, a collector gives items that can be fetched, or a fault people can read."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Answer
from holdfast.text.fetch.items import check_name
from holdfast.text.sources.collect import listing

from .conftest import Shelf, source

WORDS = ("items", "identifier", "metadata", "files", "name", "format", "size", "private", "cursor", "title", "date")
WORDS += ("DjVuTXT", "a_djvu.txt", "tree", "path", "type", "blob", "file", "sha", "gated", "lfs", "oid", "a.xml", "7")
WORDS += ("creator", "collection", "error", "is_dark", "access-restricted-item", "licenseurl", "x/a.xml", "truncated")
PLAIN = st.none() | st.booleans() | st.integers(-1, 9) | st.floats(allow_nan=False) | st.sampled_from(WORDS)
TEXT = st.text(st.characters(), max_size=4)  # halves of characters too
DATA = st.recursive(
    PLAIN | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=25,
)
# What gets far: the shapes that are expected, filled with anything.
FITTING = st.one_of(
    st.fixed_dictionaries({"items": st.lists(st.fixed_dictionaries({"identifier": DATA, "collection": DATA}))}),
    st.fixed_dictionaries({"metadata": DATA, "files": st.lists(st.dictionaries(st.sampled_from(WORDS), DATA))}),
    st.fixed_dictionaries({"sha": st.text(max_size=4), "gated": st.booleans(), "tree": st.lists(DATA, max_size=3)}),
    st.lists(st.fixed_dictionaries({"type": st.just("file"), "path": DATA, "size": DATA, "lfs": DATA}), max_size=3),
    st.fixed_dictionaries(
        {"tree": st.lists(st.fixed_dictionaries({"path": DATA, "type": st.just("blob"), "size": DATA}))}
    ),
)
KINDS: dict[str, dict[str, Any]] = {
    "gutenberg": {"words": ["a"], "ids": ["7"]},
    "internet-archive": {"query": "a", "ids": ["b"]},
    "tcp": {"series": ["eebo"]},
    "github": {"repo": "a/b", "files": ["*"]},
    "http-list": {"lists": ["https://a.example/"], "files": ["*"]},
    "huggingface": {"repo": "a/b", "files": ["*"]},
}


class Odd(Shelf):
    """Answers anything to everything."""

    def __init__(self, data: st.DataObject) -> None:
        super().__init__({})
        self.data = data

    def get(self, url: str, params: Mapping[str, str] | None = None, limit: int = 0) -> Answer:
        body = self.data.draw(st.binary(max_size=200) | (FITTING | DATA).map(lambda found: json.dumps(found).encode()))
        return Answer(self.data.draw(st.sampled_from([200, 200, 200, 200, 404])), url, {}, body)


def test_every_collector_is_tried() -> None:
    assert set(KINDS) == set(listing.COLLECTORS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(data=st.data())
def test_it_is_items_or_a_fault(kind: str, data: st.DataObject) -> None:
    chosen = source(kind=kind, max_items=5, max_bytes=10, **KINDS[kind])
    try:
        found = list(listing.items(chosen, Odd(data), lambda rejected: None))  # type: ignore[arg-type]  # a stand-in
    except DataFault:
        return
    for item in found:
        check_name(item.name)
        assert item.bytes is None or (isinstance(item.bytes, int) and item.bytes >= 0)
        assert item.sha256 is None or len(item.sha256) == 64
        json.dumps(item.to_dict(), allow_nan=False)
