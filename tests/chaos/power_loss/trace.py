"""What a run did to its disk, one operation after another, and what it promised in between."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.disk.fileops import Kind, Operation, Watcher


@dataclass(frozen=True, slots=True)
class Done:
    """An operation that took place. Paths are relative to the recorded folder, which is `.` itself.

    data: the bytes of a write. size: the length that allocate and truncate ask for.
    """

    kind: Kind
    path: str
    target: str = ""
    data: bytes = b""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Rotten:
    """A byte of a file that turned into another one on the disk itself."""

    path: str
    at: int
    byte: int


@dataclass(frozen=True, slots=True)
class Said:
    """What the program let its user rely on from here on."""

    what: str
    value: Any


Event = Done | Rotten | Said


class Recorder:
    """A watcher that writes down what happens under `root`, and lets `other` watch and interfere first.

    broken_at: how many events lay behind when `other` interfered first.
    """

    def __init__(self, root: Path, events: Iterable[Event] = ()) -> None:
        self.events: list[Event] = list(events)
        self.other: Watcher | None = None
        self.broken_at = 0
        self._root = root

    def before(self, operation: Operation) -> None:
        if self.other is not None:
            try:
                self.other.before(operation)
            except BaseException:
                self.broken_at = self.broken_at or len(self.events)
                raise

    def after(self, operation: Operation) -> None:
        if operation.kind == "list":
            return
        data = b"" if operation.data is None else bytes(operation.data)
        target = "" if operation.target is None else self._relative(operation.target)
        self.events.append(Done(operation.kind, self._relative(operation.path), target, data, operation.size))

    def say(self, what: str, value: Any = None) -> None:
        """Note a promise, at the moment it is made."""
        self.events.append(Said(what, value))

    def rot(self, path: Path, at: int) -> None:
        """Let a byte of a file go bad, behind the back of the file system."""
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0] ^ 16
            file.seek(at)
            file.write(bytes([byte]))
        self.events.append(Rotten(self._relative(path), at, byte))

    def _relative(self, path: Path) -> str:
        return os.fspath(path.relative_to(self._root))


def crash_points(events: Iterable[Event], since: int = 0) -> Iterator[int]:
    """How many events lie behind each moment at which the power can go, from event `since` on.

    A promise counts as made as soon as the operation before it has ended: that is the hardest moment.
    """
    known = list(events)
    yield from (at for at in range(since, len(known)) if not isinstance(known[at], Said))
    yield len(known)
