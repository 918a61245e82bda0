"""Streams of unpacked bytes out of packed files, in constant memory, with damage and endless growth told apart.

Unpacking is done by zlib, liblzma, libbz2 and libzstd; here is what they leave to the caller: one kind of error, a
file that ends too early, and a small file that would unpack without end.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Protocol

import zstandard

from holdfast.text.rejection import Unreadable

TYPICAL_GROWTH = {".gz": 2.8, ".xz": 3.6, ".zst": 3.0, ".bz2": 3.8}  # bytes of English text per packed byte
GROWTH_LIMIT = 200  # unpacked bytes per packed byte; English text reaches 4, logs 50
GROWTH_FREE_BYTES = 64 << 20  # small results are harmless whatever their growth
_BUFFER = 1 << 18
_ZSTD_PIECE = 1 << 10  # one block of 128 KiB can be packed in 4 bytes, so packed input is fed in small pieces
_ZSTD_WINDOW = 1 << 27


class Readable(Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int, /) -> bytes: ...


class Metered(io.RawIOBase):
    """A raw file that tells how many bytes were read from it. It can be read from any place if the file can."""

    def __init__(self, file: Readable, advance: Callable[[int], None]) -> None:
        self.file = file
        self.advance = advance
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return isinstance(self.file, io.IOBase) and self.file.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert isinstance(self.file, io.IOBase), "asked for by `seekable`"
        return self.file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed asks for any buffer; io passes this one
        data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        self.bytes += len(data)
        self.advance(len(data))
        return len(data)


class _Unpacked(io.RawIOBase):
    """What a decompressor yields, with its errors as Unreadable and its growth watched."""

    def __init__(self, inner: Readable, packed: Metered) -> None:
        self.inner = inner
        self.packed = packed
        self.bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as above
        try:
            data = self.inner.read(len(buffer))
        except EOFError:
            raise Unreadable("truncated archive", f"it ends after {self.bytes:,} unpacked bytes") from None
        except (zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise Unreadable("damaged archive", str(error)) from None
        except OSError as error:
            if error.errno is not None:  # the disk's; those of gzip and bz2 about their formats have no number
                raise
            raise Unreadable("damaged archive", str(error)) from None
        self.bytes += len(data)
        if self.bytes > GROWTH_FREE_BYTES and self.bytes > GROWTH_LIMIT * self.packed.bytes:
            raise Unreadable("grows without end when unpacked", f"{self.packed.bytes:,} bytes to {self.bytes:,}")
        buffer[: len(data)] = data
        return len(data)


class _Zstd(io.RawIOBase):
    """A reader over zstd frames that, unlike the library's own, sees when the last one is cut off."""

    def __init__(self, packed: io.RawIOBase) -> None:
        self.packed = io.BufferedReader(packed, _BUFFER)
        self.decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self.frame: zstandard.ZstdDecompressionObj | None = None
        self.waiting = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as above
        while not self.waiting:
            piece = self.packed.read(_ZSTD_PIECE)
            if not piece:
                if self.frame is not None:
                    raise EOFError
                return 0
            self.waiting = memoryview(self._unpack(piece))
        taken = min(len(buffer), len(self.waiting))
        buffer[:taken] = self.waiting[:taken]
        self.waiting = self.waiting[taken:]
        return taken

    def _unpack(self, piece: bytes) -> bytes:
        parts = []
        while piece:
            self.frame = self.frame or self.decoder.decompressobj()
            parts.append(self.frame.decompress(piece))
            piece = b""
            if self.frame.eof:
                piece, self.frame = self.frame.unused_data, None
        return b"".join(parts)


def suffix_of(name: str) -> str:
    """How a file is packed, by its name: a key of TYPICAL_GROWTH, or empty."""
    suffix = PurePosixPath(name.lower()).suffix
    return suffix if suffix in TYPICAL_GROWTH else ""


def unpacked(packed: Metered, suffix: str) -> io.BufferedReader:
    """A buffered stream of what the packed file holds; `suffix`: see `suffix_of`.

    Reading from it raises Unreadable where the file is damaged, truncated, or grows beyond all reason.
    """
    inner: Readable | None = None
    if suffix == ".gz":
        inner = gzip.GzipFile(fileobj=packed, mode="rb")
    elif suffix == ".xz":
        inner = lzma.LZMAFile(packed)  # type: ignore[arg-type]  # noqa: SIM115  # needs read() only
    elif suffix == ".bz2":
        inner = bz2.BZ2File(packed)
    elif suffix == ".zst":
        inner = io.BufferedReader(_Zstd(packed), _BUFFER)
    return io.BufferedReader(packed if inner is None else _Unpacked(inner, packed), _BUFFER)
