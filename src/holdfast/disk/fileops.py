"""Every operation that changes a disk, one function each: so that all of them can be watched, and any made to fail.

Whoever must not lose bytes (vault, journal, token shards, corpus) writes through here. A watcher sees each operation
before and after it takes place; it may refuse it with the error a disk would give, or end the process on the spot.
Without one, which is always so outside tests and drills, an operation costs one comparison more than the system call.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args

T = TypeVar("T")

Kind = Literal[
    "create", "write", "allocate", "truncate", "sync", "sync_directory",
    "rename", "replace", "link", "unlink", "mkdir", "rmdir", "list",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)

_NO_PREALLOCATION = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_sync_data = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation about to take place, or that has.

    target: the second path of rename, replace and link.
    data:   the bytes of a write. handle: the open file of a write, so that a torn one can be played.
    size:   the length asked for by allocate and truncate.
    """

    kind: Kind
    path: Path
    target: Path | None = None
    data: memoryview | None = None
    handle: int = -1
    size: int = 0


class Watcher(Protocol):
    """Sees every operation. `before` may raise OSError: then it does not take place, and `after` is not called."""

    def before(self, operation: Operation) -> None: ...
    def after(self, operation: Operation) -> None: ...


_watcher: Watcher | None = None


def watch(watcher: Watcher | None) -> None:
    """Let `watcher` see every operation of this process from now on; None ends it."""
    global _watcher
    _watcher = watcher


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """`watch` for the length of a block."""
    watch(watcher)
    try:
        yield
    finally:
        watch(None)


def _do(operation: Operation, act: Callable[[], T]) -> T:
    """Take the operation between the watcher's two looks; one that a signal interrupted is begun again."""
    while True:
        try:
            if _watcher is not None:
                _watcher.before(operation)
            result = act()
        except InterruptedError:
            continue
        if _watcher is not None:
            _watcher.after(operation)
        return result


class NewFile(io.RawIOBase):
    """A file that did not exist before, written from its start to its end. Raises FileExistsError, OSError.

    append: every write goes to the end as one piece, whatever else happened to the file.
    go_on:  a file that is there already is written on at its end. A link is not followed.
    """

    def __init__(self, path: Path, *, append: bool = False, go_on: bool = False) -> None:
        super().__init__()
        self.path = path
        self._handle = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_NOFOLLOW if go_on else os.O_EXCL)
        flags |= os.O_APPEND if append or go_on else 0
        self._handle = _do(Operation("create", path), lambda: os.open(path, flags, 0o644))

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._handle

    def write(self, data: Any) -> int:
        """Write all of `data`, however many calls the system needs for it; returns its length in bytes."""
        piece = memoryview(data).cast("B")
        operation = Operation("write", self.path, data=piece, handle=self._handle)
        _do(operation, lambda: self._write_all(piece))
        return len(piece)

    def _write_all(self, piece: memoryview) -> None:
        while piece:
            piece = piece[os.write(self._handle, piece) :]

    def allocate(self, size: int) -> None:
        """Take room for `size` bytes now, so that a full disk shows before anything was written."""
        if not size or not hasattr(os, "posix_fallocate"):
            return
        operation = Operation("allocate", self.path, size=size)
        try:
            _do(operation, lambda: os.posix_fallocate(self._handle, 0, size))
        except OSError as error:
            if error.errno not in _NO_PREALLOCATION:
                raise

    def shorten(self, size: int) -> None:
        """Cut the file down to its first `size` bytes."""
        _do(Operation("truncate", self.path, size=size), lambda: os.ftruncate(self._handle, size))

    def sync(self) -> None:
        """Push what was written to the disk."""
        _do(Operation("sync", self.path), lambda: _sync_data(self._handle))

    def close(self) -> None:
        """Close the file; twice is harmless."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            os.close(handle)
        super().close()


def sync_directory(path: Path) -> None:
    """Make creations, renames and deletions inside `path` survive a power loss."""
    _do(Operation("sync_directory", path), lambda: _sync_by_name(path, os.O_RDONLY))


def sync_written(path: Path) -> None:
    """Push a file to the disk that somebody else wrote and closed."""
    _do(Operation("sync", path), lambda: _sync_by_name(path, os.O_RDWR))


def _sync_by_name(path: Path, access: int) -> None:
    handle = os.open(path, access | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(path: Path, target: Path) -> None:
    """Give a directory another name. Raises OSError if `target` is a directory that is not empty."""
    _do(Operation("rename", path, target), lambda: os.rename(path, target))


def replace(path: Path, target: Path) -> None:
    """Put a file in the place of another, or where there was none."""
    _do(Operation("replace", path, target), lambda: os.replace(path, target))


def link(path: Path, target: Path) -> None:
    """Give a file a second name. Raises OSError where the file system has no such thing."""
    _do(Operation("link", path, target), lambda: os.link(path, target, follow_symlinks=False))


def unlink(path: Path) -> None:
    """Take a file's name away. Raises FileNotFoundError."""
    _do(Operation("unlink", path), lambda: os.unlink(path))


def mkdir(path: Path) -> None:
    """Create one directory. Raises FileExistsError."""
    _do(Operation("mkdir", path), lambda: os.mkdir(path))


def rmdir(path: Path) -> None:
    """Remove an empty directory."""
    _do(Operation("rmdir", path), lambda: os.rmdir(path))


def entries(path: Path) -> list[Path]:
    """What a directory holds, by name; nothing when there is no such directory."""
    try:
        return [path / name for name in sorted(_do(Operation("list", path), lambda: os.listdir(path)))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def make_directory(path: Path) -> None:
    """Create `path` and its missing parents so that they survive a power loss."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    for place in reversed(missing):
        try:
            mkdir(place)
        except FileExistsError:
            continue
        sync_directory(place.parent)


def remove_tree(path: Path) -> None:
    """Delete a directory, or a file, and what is in it. A link is removed, never followed. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        for entry in entries(path):
            remove_tree(entry)
        rmdir(path)
    else:
        unlink(path)
