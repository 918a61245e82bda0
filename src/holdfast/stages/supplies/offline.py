"""A process that may not use the network: every attempt is an error that says who was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from holdfast.base.faults import Fault

_ASKED = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")
_blocked = 0
_listening = False


class NetworkUsed(Fault):
    """Something wanted to connect where nothing may."""


@contextmanager
def no_network() -> Iterator[None]:
    """Inside the block every attempt of this process to reach another machine, or this one by its network, raises
    NetworkUsed. Sockets in the file system stay usable.

    The interpreter tells of each attempt before it is made (PEP 578), whichever library makes it in Python.
    """
    global _blocked, _listening
    if not _listening:  # such a hook can not be taken back, so it stays and asks whether it is wanted
        sys.addaudithook(_refuse)
        _listening = True
    _blocked += 1
    try:
        yield
    finally:
        _blocked -= 1


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not _blocked or event not in _ASKED:
        return
    where = arguments[0] if event.startswith("socket.get") else arguments[1]
    if isinstance(where, str | bytes) and not event.startswith("socket.get"):
        return  # a path: a socket in the file system
    name = where[0] if isinstance(where, tuple) else where
    raise NetworkUsed(
        f"something tried to reach {name} while the network is blocked",
        "everything a run needs has to be on this machine: bring it with `holdfast fetch` where there is a network",
    )
