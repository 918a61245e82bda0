"""Finished parts of a long build. Each has a record, written after its files: what it was made from, and their hashes.

A build that was killed keeps the parts whose record and files are whole, removes what else it had begun, and goes on
behind them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.disk import fileops
from holdfast.disk.files import chunk_hashes, fingerprint, read_json, write_json

_CHECK = "check"
_HALF_WRITTEN = re.compile(r"\..+\.\d+\.part")  # what `files.atomic_writer` leaves when its process is killed


def contents(path: Path) -> dict[str, Any]:
    """What is recorded of a file: its `bytes`, and the hash of each 4 MiB as `chunks`."""
    return {"bytes": path.stat().st_size, "chunks": chunk_hashes(path)}


def damage(path: Path, recorded: Mapping[str, Any], *, only_size: bool = False) -> str | None:
    """Why a file is not what `contents` recorded of it, in a few words; None when it is."""
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return "it is missing"
    if size != recorded["bytes"]:
        return f"{size:,} bytes instead of {recorded['bytes']:,}"
    if only_size or (hashes := chunk_hashes(path)) == recorded["chunks"]:
        return None
    chunk = next(i for i, pair in enumerate(zip(hashes, recorded["chunks"], strict=True)) if pair[0] != pair[1])
    return f"chunk {chunk} is not what was written"


def seal(path: Path, value: Mapping[str, Any]) -> None:
    """Atomically write JSON that carries a hash of itself."""
    write_json(path, {**value, _CHECK: fingerprint(dict(value))})


def unseal(path: Path, *, bare: bool = False) -> dict[str, Any]:
    """What `seal` wrote. Raises OSError, or ValueError when it is not that to the bit.

    bare: a file without a hash, as an older version wrote it, is taken as it is.
    """
    try:
        value = read_json(path)
    except RecursionError:
        raise ValueError("it is nested beyond all reason") from None
    if isinstance(value, dict) and bare and _CHECK not in value:
        return value
    if not isinstance(value, dict) or value.pop(_CHECK, None) != fingerprint(value):
        raise ValueError("it does not match its own hash")
    return value


def finish(record: Path, made_from: str, files: Sequence[Path], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the record of a part whose files, in the folder of the record, are on the disk. Returns it."""
    fileops.sync_directory(record.parent)
    value = {"made_from": made_from, "files": {path.name: contents(path) for path in files}, **facts}
    seal(record, value)
    return value


def finished(record: Path, made_from: str) -> dict[str, Any] | None:
    """The record of a part that was made from the same and whose files are all whole, else None. Raises OSError."""
    try:
        value = unseal(record)
    except (FileNotFoundError, ValueError):
        return None
    if value.get("made_from") != made_from:
        return None
    whole = all(damage(record.parent / name, each) is None for name, each in value["files"].items())
    return value if whole else None


def is_half_written(name: str) -> bool:
    """Whether a file of that name is what a killed process leaves of one that it was writing."""
    return _HALF_WRITTEN.fullmatch(name) is not None


def sweep(folder: Path, ours: str = "", keep: Collection[str] = ()) -> None:
    """Remove from `folder` what a build left there: half-written files, and those that `ours` (a regular expression)
    names, but for the ones in `keep`."""
    name = re.compile(ours)
    for path in fileops.entries(folder):
        if (is_half_written(path.name) or name.fullmatch(path.name)) and path.name not in keep:
            fileops.remove_tree(path)
