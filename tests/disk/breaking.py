"""Break a build at one file operation after another, and see what the next start makes of what is left."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from holdfast.base.faults import DiskFault
from holdfast.disk import parts
from holdfast.disk.fileops import Operation, watched

from ..chaos.results import count
from .watchers import Killed, Nth, refusal

Build = Callable[[Path], object]
WAYS = {
    "killed": (Killed, Killed),
    "full": (partial(refusal, errno.ENOSPC), DiskFault),
    "failing": (partial(refusal, errno.EIO), DiskFault),
}  # how an operation ends, and how the build then does


class Mirror:
    """What the disk must hold if every change to it went through the watched operations."""

    def __init__(self) -> None:
        self.files: dict[Path, bytearray] = {}
        self.created: set[str] = set()

    def before(self, operation: Operation) -> None:
        pass

    def after(self, operation: Operation) -> None:
        path = operation.path
        match operation.kind:
            case "create":
                self.files[path] = bytearray()
                self.created.add(re.sub(r"^\.(.*)\.\d+\.part$", r"\1", path.name))
            case "write":
                assert operation.data is not None
                self.files[path] += operation.data
            case "replace":
                assert operation.target is not None
                self.files[operation.target] = self.files.pop(path)
            case "unlink":
                self.files.pop(path, None)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def vouched(folder: Path) -> set[str]:
    """Names of the parts that are finished: their records, and the files these vouch for."""
    return {name for path in folder.rglob("*.json") for name in _vouched(path)}


def _vouched(record: Path) -> Iterator[str]:
    with suppress(ValueError):
        files = parts.unseal(record).get("files", {})
        yield record.name
        yield from files if isinstance(files, dict) else [each["name"] for each in files]


def nothing_goes_past_the_watcher(build: Build, folder: Path) -> None:
    """Everything on the disk after a build was written by operations that a watcher sees."""
    mirror = Mirror()
    with watched(mirror):
        build(folder)
    seen = {str(path.relative_to(folder)): bytes(data) for path, data in mirror.files.items()}
    assert seen == contents(folder)


def goes_on_wherever_it_is_broken(build: Build, folder: Path, way: str, most: int) -> dict[str, int]:
    """Break `build` at about `most` of its operations (at all of them in the long form), one per try; run it again, and
    demand the bytes of the unbroken build, made without touching what was finished. Returns what was counted."""
    failure, ends = WAYS[way]
    folder.mkdir(exist_ok=True)  # or the first build would have it to make
    counter = Nth()
    with watched(counter):
        build(folder / "unbroken")
    expected = contents(folder / "unbroken")
    tried = range(1, counter.count + 1, max(1, counter.count // count(most, counter.count)))
    kept = 0
    for number in tried:
        out = folder / str(number)
        with watched(Nth(number, failure)), pytest.raises(ends):
            build(out)
        finished = vouched(out)
        mirror = Mirror()
        with watched(mirror):
            build(out)
        assert contents(out) == expected, f"broken at operation {number}, it went on to something else"
        assert not mirror.created & finished, f"broken at operation {number}, it began anew"
        kept += len(finished)
    return {"operations": counter.count, "broken": len(tried), "finished_files_kept": kept}
