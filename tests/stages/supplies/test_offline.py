"""Where the network is blocked, every way to it is an error that says who was asked for."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.stages.supplies.offline import NetworkUsed, no_network
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.settings import FetchSettings


def _udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.sendto(b"x", ("192.0.2.1", 9))


def _bare() -> None:
    with socket.socket() as plain:
        plain.connect_ex(("192.0.2.1", 80))


def _httpx() -> None:
    with Client(FetchSettings(delay_seconds=0)) as client:
        client.get("http://192.0.2.1/")


WAYS: dict[str, Callable[[], object]] = {
    "by name": lambda: socket.create_connection(("data.example.org", 443)),
    "by number": lambda: socket.create_connection(("192.0.2.1", 443)),
    "bare": _bare,
    "datagrams": _udp,
    "urllib": lambda: urllib.request.urlopen("http://192.0.2.1/"),
    "httpx": _httpx,
    "asyncio": lambda: asyncio.run(asyncio.open_connection("192.0.2.1", 80)),
    "names": lambda: socket.gethostbyname("data.example.org"),
    "itself": lambda: socket.create_connection(("127.0.0.1", 80)),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_out(way: str) -> None:
    with no_network(), pytest.raises(NetworkUsed) as refused:
        WAYS[way]()
    assert any(name in refused.value.cause for name in ("192.0.2.1", "data.example.org", "127.0.0.1"))


def test_it_ends_with_the_block(tmp_path: Path) -> None:
    with no_network(), no_network():
        pass
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_sockets_in_the_file_system_are_no_network(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client, no_network():
        server.bind(path)
        server.listen()
        client.connect(path)
