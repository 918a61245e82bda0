"""The texts inside tar archives, read as they stream by: nothing is ever extracted to the disk."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO, cast

from holdfast.text.read.compression import Readable
from holdfast.text.read.encoding import printable
from holdfast.text.rejection import Rejected, Unreadable

_BLOCK = 512


class _Watched:
    """A stream that remembers its last block: an archive that is whole ends with zeros."""

    def __init__(self, stream: Readable) -> None:
        self.stream = stream
        self.last = b""

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.last = (self.last + data)[-_BLOCK:]
        return data


class _Content:
    """A member's bytes, with the library's errors as Unreadable."""

    def __init__(self, content: IO[bytes]) -> None:
        self.content = content

    def read(self, size: int) -> bytes:
        try:
            return self.content.read(size)
        except tarfile.TarError as error:
            raise Unreadable("truncated archive", str(error)) from None


def _is_blank(rest: Readable) -> bool:
    """True when nothing but zeros is left to read."""
    return all(not data.strip(b"\0") for data in iter(lambda: rest.read(1 << 16), b""))


def members(stream: Readable) -> Iterator[tuple[str, Readable] | Rejected]:
    """(name, content) of each regular file, in the order of the archive; read it before asking for the next.

    Links, devices and sparse files are rejected, folders passed over. A name is only a name: absolute paths and `..`
    lead nowhere. Raises Unreadable where the archive breaks off; the members before have been yielded.
    """
    watched = _Watched(stream)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", watched), mode="r|") as archive:
            count = 0
            while (member := archive.next()) is not None:
                count += 1
                name = printable(member.name)
                content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if content is not None:
                    yield name, _Content(content)
                elif not member.isdir():
                    yield Rejected(name, "not a regular file")
                archive.members.clear()  # type: ignore[attr-defined]  # kept for random access; not in typeshed
            assert archive.fileobj is not None, "it is open"
            if not _is_blank(archive.fileobj) or watched.last.strip(b"\0"):  # the library ends quietly where it is lost
                raise Unreadable("damaged archive", f"unreadable, or cut off, after {count:,} entries")
    except tarfile.TarError as error:
        raise Unreadable("damaged archive", str(error)) from None
