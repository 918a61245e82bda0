"""One file, from a server to its place: continued where it broke off, checked, and there only when it is whole."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.manners import Unfetched
from holdfast.text.fetch.part import Part, held
from holdfast.text.fetch.ranges import Begun, going_on, unfit, validator, whole_length

if TYPE_CHECKING:
    import httpx2

PACKED_NAMES = (".gz", ".tgz")  # a server calls such a file's content gzip-encoded; it is stored as it is
_ANY_ZLIB = zlib.MAX_WBITS | 32  # gzip or zlib, by its header
_PIECE = 1 << 20

Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file in its place."""

    item: Item
    path: Path
    bytes: int
    sha256: str


def transfer(item: Item, path: Path, client: Client, moved: Moved) -> Fetched:
    """Bring `item` to `path`. moved: told how many bytes are there, as often as some come; it may go back.

    Raises Unfetched, with the part kept where it can be continued; Halted; OSError.
    """
    if found := as_it_should_be(item, path):
        return found
    with held(path, client.clock) as part:
        if found := as_it_should_be(item, path):  # another process brought it while this one waited
            part.drop()
            return found
        try:
            return _Transfer(item, part, client, moved).run()
        except Unfetched as error:
            if error.final or not part.size:
                part.drop()
            raise


def as_it_should_be(item: Item, path: Path) -> Fetched | None:
    """The file at `path`, if it is there and is all that is known of it beforehand. Raises OSError."""
    if not path.is_file() or (item.bytes is not None and path.stat().st_size != item.bytes):
        return None
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if item.sha256 not in (None, digest) else Fetched(item, path, path.stat().st_size, digest)


@dataclass(slots=True)
class _Transfer:
    item: Item
    part: Part
    client: Client
    moved: Moved

    def run(self) -> Fetched:
        """The whole file, in as many tries as it takes."""
        size, digest = self.client.patiently(self.item.url, self._try, lambda: self.part.size)
        self.part.finish()
        return Fetched(self.item, self.part.final, size, digest)

    def _try(self) -> tuple[int, str]:
        """(bytes, sha256) of the part when it is the whole file. Raises Unfetched."""
        begun = self.part.begun(self.item.url, trusted=self.item.sha256 is not None)
        if begun is not None and begun.size == begun.total:
            return self._checked(_hash_of(self.part.path), resumed=True)
        self._refuse_large(self.item.bytes)
        headers = {} if begun is None else going_on(begun)
        accept = (200,) if begun is None else (200, 206, 416)
        with self.client.request(self.item.url, headers, accept) as response:
            status, said = response.status_code, {name.lower(): text for name, text in response.headers.items()}
            if status == 416 or (begun is not None and status == 206 and (why := unfit(begun, said))):
                self.part.forget()
                told = "there is no such part" if status == 416 else why
                raise Unfetched(self.item.url, f"it can not be continued: {told}", final=False)
            packed = self._packing(said)
            total = None if packed else whole_length(said, status)
            self._refuse_large(total)
            if status == 200:
                begun = None
                self._begin(validator(said), total, packed)
            self.moved(self.part.size)
            digest = self._write(response, begun, packed)
        return self._complete(digest, total, resumed=begun is not None)

    def _begin(self, name: str | None, total: int | None, packed: bool) -> None:
        if packed:  # a part of what was unpacked can not be asked for
            self.part.forget()
        else:
            self.part.begin(self.item.url, name, total)

    def _write(self, response: httpx2.Response, begun: Begun | None, packed: bool) -> hashlib._Hash:
        """Put the body behind what is there; the hash of all of it."""
        digest = hashlib.sha256() if begun is None else _hash_of(self.part.path)
        size = 0 if begun is None else begun.size
        pieces = self.client.pieces(response)
        with self.part.writing() as file:
            for piece in _unpacked(pieces, self.item.url) if packed else pieces:
                size += len(piece)
                self._refuse_large(size)
                file.write(piece)
                digest.update(piece)
                self.moved(size)
        return digest

    def _complete(self, digest: hashlib._Hash, total: int | None, resumed: bool) -> tuple[int, str]:
        if total is not None and self.part.size < total:
            why = f"{self.part.size:,} of {total:,} bytes came"
            raise Unfetched(self.item.url, why, final=False)
        if total is not None and self.part.size > total:
            self.part.forget()
            raise Unfetched(self.item.url, f"more than the {total:,} bytes that were announced came", final=False)
        return self._checked(digest, resumed)

    def _checked(self, digest: hashlib._Hash, resumed: bool) -> tuple[int, str]:
        """Compare with what is known of the file. What was put together from two answers gets a second chance."""
        size, found, item = self.part.size, digest.hexdigest(), self.item
        why = None
        if item.bytes is not None and size != item.bytes:
            why = f"{size:,} bytes came, and the file should have {item.bytes:,}"
        elif item.sha256 not in (None, found):
            why = f"another file came: its sha256 is {found[:12]}..., and should be {str(item.sha256)[:12]}..."
        if why is None:
            return size, found
        self.part.forget()
        raise Unfetched(item.url, why, final=not resumed)

    def _packing(self, headers: dict[str, str]) -> bool:
        """Whether the body has to be unpacked, although it was asked for plain."""
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding in ("", "identity") or (coding in ("gzip", "x-gzip") and self.item.name.endswith(PACKED_NAMES)):
            return False
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise Unfetched(self.item.url, f"sent as {coding[:20]!r}, which nobody asked for", final=True)
        return True

    def _refuse_large(self, size: int | None) -> None:
        limit = self.client.settings.largest_file_bytes
        if size is not None and size > limit:
            why = f"more than the {limit:,} bytes that corpus.fetch.largest_file_bytes allows"
            raise Unfetched(self.item.url, f"{why}: {size:,}", final=True)


def _unpacked(pieces: Iterator[bytes], url: str) -> Iterator[bytes]:
    """Gzip, also of several members, or zlib, unpacked in bounded memory. Raises Unfetched where it is not whole."""
    unpacker = None
    try:
        for piece in pieces:
            more = True
            while more:
                unpacker = unpacker or zlib.decompressobj(_ANY_ZLIB)
                if plain := unpacker.decompress(piece, _PIECE):
                    yield plain
                piece = unpacker.unconsumed_tail
                if unpacker.eof:
                    piece, unpacker = unpacker.unused_data, None
                more = bool(piece) or (unpacker is not None and len(plain) == _PIECE)
    except zlib.error as error:
        raise Unfetched(url, f"damaged on its way: {error}", final=False) from None
    if unpacker is not None:
        raise Unfetched(url, "the packed answer breaks off", final=False)


def _hash_of(path: Path) -> hashlib._Hash:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(_PIECE), b""):
            digest.update(block)
    return digest
