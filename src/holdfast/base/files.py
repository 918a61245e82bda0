"""The one small place where files are written so that a crash leaves either the old or the new, never half."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import xxhash

CHUNK_BYTES = 4 * 1024 * 1024


def fsync_directory(path: Path) -> None:
    """Make renames and creations inside `path` survive a power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_file(file: IO[Any]) -> None:
    """Push a file object's bytes to the disk."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under its name only when the block ends well: write aside, fsync, rename, fsync."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(aside, "wb") as file:
            yield file
            fsync_file(file)
        os.replace(aside, path)
        fsync_directory(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
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
    """Parse a JSON file of ours; a duplicate key or a NaN literal is an error, as nothing here writes one."""
    return json.loads(path.read_text("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key in JSON")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def chunk_hashes(path: Path) -> list[str]:
    """xxh3-128 of each 4 MiB chunk of a file, so that damage is located as well as seen."""
    with open(path, "rb") as file:
        return [xxhash.xxh3_128_hexdigest(chunk) for chunk in iter(lambda: file.read(CHUNK_BYTES), b"")]


def file_hash(path: Path) -> str:
    """xxh3-128 of a whole file, read in chunks."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """A hash of plain data (JSON types), equal iff the data is equal whatever the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return xxhash.xxh3_128_hexdigest(text.encode("utf-8"))
