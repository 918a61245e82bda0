"""What the user's own files were when they were last recorded: name, size, hash and rows of each.

A folder that was copied half-way looks as whole as any other. Only who saw it before can tell.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from holdfast.base.faults import DataFault
from holdfast.disk.files import fingerprint
from holdfast.disk.parts import seal, unseal
from holdfast.disk.places import VARIABLE, cache_folder

RECORDS = "records"
SCHEMA = 1
_LETTERS = 24
_CACHE = f"${VARIABLE}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A file as it was. count, unit: how many rows, lines or members it had."""

    name: str
    path: Path
    bytes: int
    sha256: str
    count: int | None = None
    unit: str = ""


def record_path(name: str, words: Sequence[str]) -> Path:
    """Where the record of what `words` name lies. Relative words mean other files in another folder."""
    absolute = all(os.path.isabs(os.path.expanduser(word)) for word in words)
    named = [name, [_to_words(Path(word)) for word in words], None if absolute else os.getcwd()]
    return cache_folder() / RECORDS / f"{fingerprint(named)[:_LETTERS]}.json"


def write_record(name: str, words: Sequence[str], files: Sequence[Recorded]) -> Path:
    """Store it, in the place of an older one; returns where. Raises OSError."""
    rows = [{**asdict(each), "path": _to_words(each.path)} for each in files]
    path = record_path(name, words)
    seal(path, {"schema": SCHEMA, "name": name, "words": list(words), "files": rows})
    return path


def read_record(name: str, words: Sequence[str]) -> list[Recorded] | None:
    """What was recorded, None where nothing was. Raises DataFault for a record that is damaged."""
    path = record_path(name, words)
    try:
        value = unseal(path)
        if value["schema"] != SCHEMA:
            raise ValueError(f"it is of version {value['schema']}, and {SCHEMA} is read here")
        return [Recorded(**{**row, "path": _from_words(row["path"])}) for row in value["files"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataFault(
            f"{path} is damaged: {error}", "delete it, and record again: `holdfast fetch RECIPE`"
        ) from error


def _to_words(path: Path) -> str:
    """A path as it means the same on another machine, where it can: in the cache, or below the current folder."""
    cache = cache_folder()
    return f"{_CACHE}/{path.relative_to(cache)}" if path.is_relative_to(cache) else str(path)


def _from_words(words: str) -> Path:
    return cache_folder() / words.removeprefix(f"{_CACHE}/") if words.startswith(f"{_CACHE}/") else Path(words)
