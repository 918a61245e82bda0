"""A file on its way: what has come of it is kept under a hidden name, with a note on what it is the beginning of.

Several processes may want the same file. The first one holds it, the others wait and then find it done.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from holdfast.disk import fileops, parts
from holdfast.text.fetch.clock import Clock
from holdfast.text.fetch.ranges import Begun

BUFFER_BYTES = 1 << 20
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)  # some network file systems: then nobody is kept out
WAIT_SECONDS = 1.0  # between two looks whether another process is done


class Part:
    """The beginning of one file, held by this process alone. `path`: where it is, `.NAME.part`."""

    def __init__(self, final: Path, raw: fileops.NewFile) -> None:
        self.final, self.path = final, _path(final)
        self._note = self.path.with_name(f"{self.path.name}.json")
        self._raw = raw

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return os.fstat(self._raw.fileno()).st_size

    def begun(self, url: str, *, trusted: bool) -> Begun | None:
        """What is there, if a file from `url` can be continued from it.

        trusted: the hash of the whole file is known and will be compared, so that no validator is needed.
        """
        try:
            note = parts.unseal(self._note)
            found = Begun(self.size, note["url"], note["validator"], note["total"])
        except (OSError, ValueError, KeyError):
            return None
        usable = found.size > 0 and found.url == url and (found.validator is not None or trusted)
        return found if usable else None

    def begin(self, url: str, validator: str | None, total: int | None) -> None:
        """Start from nothing, and note what the file is."""
        self.forget()
        parts.seal(self._note, {"url": url, "validator": validator, "total": total})

    def forget(self) -> None:
        """What is there is of no use."""
        with suppress(FileNotFoundError):
            fileops.unlink(self._note)
        self._raw.shorten(0)

    @contextmanager
    def writing(self) -> Iterator[IO[bytes]]:
        """A stream to the end of the part; what was written to it stays, whatever ends the block."""
        writer = io.BufferedWriter(_Kept(self._raw), BUFFER_BYTES)
        try:
            yield writer
        finally:
            writer.flush()

    def finish(self) -> None:
        """Put the part in its place, for good."""
        self._raw.sync()
        fileops.replace(self.path, self.final)
        with suppress(FileNotFoundError):
            fileops.unlink(self._note)
        fileops.sync_directory(self.final.parent)

    def drop(self) -> None:
        """Leave nothing behind."""
        with suppress(FileNotFoundError):
            fileops.unlink(self._note)
        with suppress(FileNotFoundError):
            fileops.unlink(self.path)


class _Kept(io.RawIOBase):
    """The part's file for one stream, which does not close it."""

    def __init__(self, raw: fileops.NewFile) -> None:
        self._raw = raw

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._raw.write(data)


def _path(final: Path) -> Path:
    return final.with_name(f".{final.name}.part")


@contextmanager
def held(final: Path, clock: Clock) -> Iterator[Part]:
    """The part of the file `final`, which no other process touches inside the block. Raises OSError, Halted."""
    fileops.make_directory(final.parent)
    path = _path(final)
    while True:
        with fileops.NewFile(path, go_on=True) as raw:
            try:
                fcntl.flock(raw.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                clock.sleep(WAIT_SECONDS)
                continue
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
            if not _is_at(raw, path):  # it was finished, or dropped, between opening and holding
                continue
            yield Part(final, raw)
            return


def _is_at(raw: fileops.NewFile, path: Path) -> bool:
    here = os.fstat(raw.fileno())
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
