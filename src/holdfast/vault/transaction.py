"""Sets of files that appear, change and go as one, and every failure of the disk told in the same words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import xxhash

from holdfast.base.faults import DiskFault
from holdfast.disk import fileops
from holdfast.disk.files import CHUNK_BYTES, open_plain
from holdfast.vault.manifest import FileRecord

RESERVE_BYTES = 4 * 1024 * 1024  # left free beside a checkpoint, for its manifest and the journal


@contextmanager
def told_as_disk_fault(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into a DiskFault."""
    try:
        yield
    except OSError as error:
        raise _disk_fault(path, error) from error


def _disk_fault(path: Path, error: OSError) -> DiskFault:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFault(f"no space left to save {path}", "free some disk space: all earlier checkpoints are intact")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return DiskFault(f"{path} can not be written: {reason}", "check the disk: all earlier checkpoints are intact")


def require_space(directory: Path, wanted: int) -> None:
    """Raise DiskFault when the file system of `directory` has no room for `wanted` bytes."""
    free = shutil.disk_usage(directory).free
    if free < wanted + RESERVE_BYTES:
        raise DiskFault(
            f"no space left to save in {directory}: {(wanted + RESERVE_BYTES) / 1e6:.1f} MB are needed, "
            f"{free / 1e6:.1f} MB are free",
            "free some disk space: all earlier checkpoints are intact",
        )


def write_file(path: Path, size: int, pieces: Iterable[memoryview]) -> FileRecord:
    """Write a new file of exactly `size` bytes and push it to the disk; returns what to check it by.

    The room is taken before the first byte, so a full disk shows before anything was done.
    """
    with fileops.NewFile(path) as file:
        file.allocate(size)
        hashes = _Chunks()
        for piece in _cut(pieces):
            hashes.add(piece)
            file.write(piece)
        record = hashes.record()
        assert record.bytes == size, f"{path.name} was planned with {size} bytes and got {record.bytes}"
        file.sync()
    return record


def same_file(source: Path, target: Path, size: int, *, own: bool) -> None:
    """Give `target` the bytes of `source`: the same file under a second name where it is our `own` and the file system
    can do that, else a copy. Durable when it returns, but for the name."""
    if own:
        with suppress(OSError):  # no hard links here: a copy does as well
            fileops.link(source, target)
            return
    with open(open_plain(source), "rb") as file:
        write_file(target, size, (memoryview(piece) for piece in iter(lambda: file.read(CHUNK_BYTES), b"")))


def _cut(pieces: Iterable[memoryview]) -> Iterator[memoryview]:
    """The same bytes in pieces of a chunk at most, so that a long write can be waited for by others."""
    for piece in pieces:
        for start in range(0, len(piece), CHUNK_BYTES):
            yield piece[start : start + CHUNK_BYTES]


def record_of(pieces: Iterable[memoryview]) -> FileRecord:
    """What `write_file` would return, without writing."""
    hashes = _Chunks()
    for piece in pieces:
        hashes.add(piece)
    return hashes.record()


class _Chunks:
    """Hashes a stream of bytes by chunks of CHUNK_BYTES, however it is cut into pieces."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._digest = xxhash.xxh3_128()
        self._filled = 0

    def add(self, piece: memoryview) -> None:
        start = 0
        while start < len(piece):
            part = piece[start : start + CHUNK_BYTES - self._filled]
            self._digest.update(part)
            self._filled += len(part)
            start += len(part)
            if self._filled == CHUNK_BYTES:
                self._cut()

    def record(self) -> FileRecord:
        """The chunks so far; the stream ends here."""
        size = len(self._done) * CHUNK_BYTES + self._filled
        if self._filled:
            self._cut()
        return FileRecord(size, tuple(self._done))

    def _cut(self) -> None:
        self._done.append(self._digest.hexdigest())
        self._digest.reset()
        self._filled = 0


def publish_directory(stage: Path, target: Path) -> None:
    """Give a finished directory its name. Raises OSError if there is one of that name already: nothing is replaced."""
    fileops.sync_directory(stage)
    fileops.rename(stage, target)  # POSIX: fails on a directory that is not empty
    fileops.sync_directory(target.parent)


def discard(path: Path, trash: Path) -> None:
    """Delete a directory so that a crash leaves it whole or out of sight: rename into `trash`, then remove."""
    fileops.make_directory(trash)
    if (trash / path.name).exists():  # what an earlier deletion could not finish
        remove_tree(trash / path.name)
    fileops.rename(path, trash / path.name)
    fileops.sync_directory(path.parent)
    remove_tree(trash / path.name)


def remove_tree(path: Path) -> None:
    """Delete a directory and what is in it, as far as the disk allows; what resists is swept by the next start."""
    with suppress(OSError):
        fileops.remove_tree(path)
