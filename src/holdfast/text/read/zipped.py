"""The texts inside zip archives, one after the other and each in pieces: nothing is ever extracted to the disk."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, cast

from holdfast.text.read.compression import GROWTH_FREE_BYTES, GROWTH_LIMIT, Readable
from holdfast.text.read.encoding import printable
from holdfast.text.read.place import seekable
from holdfast.text.rejection import Rejected, Unreadable

# What the library raises over bytes that are no sound archive, or packed in a way that it does not know.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)
_DAMAGED_TABLE = (*DAMAGE, struct.error, OverflowError)
_ENCRYPTED = 1


class _Content:
    """A member's bytes, with the library's errors as Unreadable and its growth watched."""

    def __init__(self, content: IO[bytes], packed_bytes: int) -> None:
        self.content = content
        self.packed_bytes = packed_bytes
        self.bytes = 0

    def read(self, size: int) -> bytes:
        try:
            data = self.content.read(size)
        except DAMAGE as error:
            raise Unreadable("damaged archive", str(error)) from None
        except OSError as error:
            raise _told(error) from None
        self.bytes += len(data)
        if self.bytes > GROWTH_FREE_BYTES and self.bytes > GROWTH_LIMIT * self.packed_bytes:
            raise Unreadable("grows without end when unpacked", f"{self.packed_bytes:,} bytes to {self.bytes:,}")
        return data


def members(stream: Readable) -> Iterator[tuple[str, Readable] | Rejected]:
    """(name, content) of each file, in the order of the archive's table; read it before asking for the next.

    A name is only a name: absolute paths and `..` lead nowhere. Raises Unreadable when there is no sound table.
    """
    with opened(cast("IO[bytes]", stream)) as archive:
        for member in archive.infolist():
            name = printable(member.filename)
            if name.endswith("/"):
                continue
            if member.flag_bits & _ENCRYPTED:
                yield Rejected(name, "encrypted")
                continue
            try:
                content = archive.open(member)
            except _DAMAGED_TABLE as error:
                yield Rejected(name, "damaged archive", str(error))
                continue
            with content:
                yield name, _Content(content, member.compress_size)


def opened(stream: IO[bytes]) -> zipfile.ZipFile:
    """An archive with a sound table of contents. Raises Unreadable for anything else."""
    try:
        return zipfile.ZipFile(seekable(stream))
    except _DAMAGED_TABLE as error:
        raise Unreadable("damaged archive", str(error)) from None
    except OSError as error:
        raise _told(error) from None


def member_bytes(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """All of one member. Raises Unreadable where it is missing, damaged, or larger than `limit` bytes."""
    try:
        member = archive.getinfo(name)
        if member.flag_bits & _ENCRYPTED:
            raise Unreadable("encrypted", name)
        with archive.open(member) as content:
            data = content.read(limit + 1)
    except KeyError:
        raise Unreadable("a part is missing", name) from None
    except _DAMAGED_TABLE as error:
        raise Unreadable("damaged archive", f"{name}: {error}") from None
    except OSError as error:
        raise _told(error) from None
    if len(data) > limit:
        raise Unreadable("too large to be read whole", f"{name} and what came before")
    return data


def _told(error: OSError) -> Exception:
    """The disk's own errors as they are; those of the library about positions inside the archive have no number."""
    return error if error.errno not in (None, errno.EINVAL) else Unreadable("damaged archive", str(error))
