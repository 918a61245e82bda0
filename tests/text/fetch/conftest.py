"""A server, a client and a clock for tests of fetching."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from holdfast.text.fetch.client import Client
from holdfast.text.fetch.settings import FetchSettings

from .webs import Timeless, Web, serving


@pytest.fixture
def webs() -> Iterator[Callable[[], Web]]:
    """Starts servers."""
    with serving() as start:
        yield start


@pytest.fixture
def web(webs: Callable[[], Web]) -> Web:
    """One server, without a robots.txt."""
    return webs()


@pytest.fixture
def clock() -> Timeless:
    return Timeless()


@pytest.fixture
def client(clock: Timeless, direct: None) -> Iterator[Client]:
    with Client(FetchSettings(contact="me@example.org"), clock) as made:
        yield made


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy between a test and its server."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
