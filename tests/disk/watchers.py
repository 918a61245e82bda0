"""Watchers of file operations that the tests of several rooms lean on: they count, refuse, kill, or hold up."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection
from pathlib import Path
from threading import Event

from holdfast.disk.fileops import KINDS, Operation

ROOM_TAKING = ("create", "write", "allocate", "mkdir")


def refusal(number: int = errno.ENOSPC) -> OSError:
    """What the operating system says when a disk refuses."""
    return OSError(number, os.strerror(number))


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Nth:
    """Counts the operations of some kinds, and lets the n-th of them (from 1; 0: none) end in `failure`.

    The dead stay dead: after Killed no operation of any kind takes place.
    """

    def __init__(
        self, number: int = 0, failure: Callable[[], BaseException] = refusal, kinds: Collection[str] = KINDS
    ) -> None:
        self.count = 0
        self.seen: list[str] = []
        self._number, self._failure, self._kinds = number, failure, kinds
        self._dead = False

    def before(self, operation: Operation) -> None:
        if self._dead:
            raise Killed
        self.seen.append(operation.kind)
        if operation.kind in self._kinds:
            self.count += 1
            if self.count == self._number:
                failure = self._failure()
                self._dead = isinstance(failure, Killed)
                raise failure

    def after(self, operation: Operation) -> None:
        pass


class Refusing:
    """A disk that takes nothing under `place` as long as `on`; of a write the first `torn` bytes still get through."""

    def __init__(self, place: Path, kinds: Collection[str] = ROOM_TAKING, *, on: bool = True, torn: int = 0) -> None:
        self.on, self.torn = on, torn
        self._place, self._kinds = place, kinds

    def before(self, operation: Operation) -> None:
        if self.on and operation.kind in self._kinds and operation.path.is_relative_to(self._place):
            if operation.data is not None:
                os.write(operation.handle, operation.data[: self.torn])
            raise refusal()

    def after(self, operation: Operation) -> None:
        pass


class Holding:
    """Holds up operations under `place` until it is let `go`; `reached` tells that the first of them has come."""

    def __init__(self, place: Path, kinds: Collection[str] = KINDS) -> None:
        self.reached, self.go = Event(), Event()
        self._place, self._kinds = place, kinds

    def before(self, operation: Operation) -> None:
        if operation.kind in self._kinds and operation.path.is_relative_to(self._place):
            self.reached.set()
            assert self.go.wait(60), "nobody let it go on"

    def after(self, operation: Operation) -> None:
        pass
