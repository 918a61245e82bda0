"""A network that is a dictionary: shapes of answers as the services give them, made here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from holdfast.text.fetch.client import Answer, Probe
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.manners import Unfetched
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.entry import Entry
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.listing import items


class Shelf:
    """Answers by address. What is not on it is not there (404); what is None is out of reach."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    def get(self, url: str, params: Mapping[str, str] | None = None, limit: int = 0) -> Answer:
        """As the client answers."""
        url = f"{url}?{urlencode(params)}" if params else url
        self.asked.append(url)
        found = self.answers.get(url, Answer(404, url, {}, b"<html>Not here.</html>"))
        if found is None:
            raise Unfetched(url, "no answer for 30 s", final=False)
        if isinstance(found, Answer):
            return found
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        return Answer(200, url, {}, body)

    def probe(self, url: str) -> Probe:
        """As the client probes."""
        self.asked.append(url)
        found = self.answers.get(url, b"")
        if found is None:
            return Probe(False, None, None, "no answer for 30 s")
        return Probe(True, 200, len(found)) if found else Probe(False, 404, None, "the server says 404 Not Found")


Collected = tuple[list[Item], dict[str, str]]


def source(**fields: Any) -> Source:
    """A source called `it`."""
    return Source("it", Entry.model_validate({"name": "It", "licence": "public domain", **fields}), "test.yaml")


@pytest.fixture
def collect() -> Callable[..., Collected]:
    """(items, {id: why it was left out}) of a source with these fields, as these answers have it."""

    def collected(answers: Mapping[str, Any] | Shelf, **fields: Any) -> Collected:
        left: list[Rejected] = []
        shelf = answers if isinstance(answers, Shelf) else Shelf(answers)
        found = list(items(source(**fields), shelf, left.append))  # type: ignore[arg-type]  # a stand-in
        assert all(each.source == "it" for each in found)
        return found, {each.id: each.why for each in left}

    return collected
