"""Packed files: the same bytes come out, and damage has a name."""

import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable

import pytest
import zstandard

from holdfast.text.read.compression import GROWTH_FREE_BYTES, TYPICAL_GROWTH, Metered, suffix_of, unpacked
from holdfast.text.rejection import Unreadable

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}
DATA = random.Random(1).randbytes(300_000)


def opened(data: bytes, suffix: str, seen: list[int] | None = None) -> io.BufferedReader:
    return unpacked(Metered(io.BytesIO(data), (seen if seen is not None else []).append), suffix)


def test_every_packing_is_tried() -> None:
    assert set(PACK) == set(TYPICAL_GROWTH)
    assert suffix_of("A/Books.TXT.XZ") == ".xz"
    assert suffix_of("books.txt") == ""


@pytest.mark.parametrize("suffix", PACK)
def test_what_was_packed_comes_out_and_every_packed_byte_is_metered(suffix: str) -> None:
    packed = PACK[suffix](DATA) + PACK[suffix](b"and a second part")
    seen: list[int] = []
    assert opened(packed, suffix, seen).read() == DATA + b"and a second part"
    assert sum(seen) == len(packed)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("keep", [0.001, 0.5, 0.9999])
def test_a_file_that_ends_too_early_is_told(suffix: str, keep: float) -> None:
    packed = PACK[suffix](DATA)
    with pytest.raises(Unreadable, match="truncated archive"):
        opened(packed[: max(8, int(keep * len(packed)))], suffix).read()


@pytest.mark.parametrize("suffix", PACK)
def test_a_file_that_is_something_else_is_told(suffix: str) -> None:
    with pytest.raises(Unreadable, match="damaged archive"):
        opened(b"this was never packed by anything at all", suffix).read()


def test_bit_rot_is_told() -> None:
    packed = bytearray(gzip.compress(DATA, mtime=0))
    packed[len(packed) // 2] ^= 255
    with pytest.raises(Unreadable, match="damaged archive"):
        opened(bytes(packed), ".gz").read()


def test_endless_growth_is_stopped_early() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(4 * GROWTH_FREE_BYTES))
    stream = opened(bomb, ".zst")
    assert len(stream.read(GROWTH_FREE_BYTES - (1 << 20))) == GROWTH_FREE_BYTES - (1 << 20)
    with pytest.raises(Unreadable, match="grows without end"):
        stream.read(4 << 20)
