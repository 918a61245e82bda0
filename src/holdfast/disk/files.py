"""Whole files: written so that a crash leaves either the old or the new, never half; read strictly; hashed."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import xxhash

from holdfast.disk import fileops

CHUNK_BYTES = 4 * 1024 * 1024
LARGEST_JSON = 32 * 1024 * 1024  # a tokenizer of 200,000 tokens has 20 MB
_BUFFER_BYTES = 1024 * 1024


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under its name only when the block ends well: write aside, fsync, rename, fsync."""
    fileops.make_directory(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    if aside.exists():  # left by a killed process that had the same number
        fileops.unlink(aside)
    try:
        raw = fileops.NewFile(aside)
        with io.BufferedWriter(raw, _BUFFER_BYTES) as file:
            yield file
            file.flush()
            raw.sync()
        fileops.replace(aside, path)
        fileops.sync_directory(path.parent)
    except BaseException:
        with suppress(OSError):
            fileops.unlink(aside)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Atomically replace `path`."""
    with atomic_writer(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Atomically replace `path` with UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Atomically replace `path` with readable JSON; NaN and infinity are refused because readers choke on them."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Parse a JSON file of ours; a duplicate key or a NaN literal is an error, as nothing here writes one.

    Raises ValueError, and OSError, also for a pipe or a device that stands in the file's place.
    """
    with open(open_plain(path, follow=True), "rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise ValueError("too large for a file of ours")
    return parse_json(content)


def open_plain(path: Path, *, follow: bool = False) -> int:
    """A read-only descriptor of a regular file. Raises OSError, also for a device or a pipe, and for a link unless
    links may be followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a plain file", str(path))
    return handle


def parse_json(content: bytes) -> Any:
    """Parse JSON as it is defined: raises ValueError for a duplicate key, a NaN literal, or nesting without end."""
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def chunk_hashes(path: Path) -> list[str]:
    """xxh3-128 of each 4 MiB chunk of a file, so that damage is located as well as seen."""
    with open(path, "rb") as file:
        return [xxhash.xxh3_128_hexdigest(chunk) for chunk in iter(lambda: file.read(CHUNK_BYTES), b"")]


def fingerprint(value: Any) -> str:
    """A hash of plain data (JSON types), equal iff the data is equal whatever the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8"))
