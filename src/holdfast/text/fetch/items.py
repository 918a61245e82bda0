"""What there is to fetch: one file, where it comes from, and the only place it may be stored at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LONGEST_NAME_BYTES = 230  # of one folder or file; file systems take 255, and a part has a longer name
LONGEST_PATH_BYTES = 1024
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class BadName(ValueError):
    """A name under which nothing is stored, because it could lead out of its folder or not exist everywhere."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a source.

    id:      how the source calls it; unique there.
    name:    the relative path it is stored under, in the folder of its source.
    bytes, sha256: of the file as it is stored, where they are known beforehand. They are then insisted on.
    licence: as the source says it.
    meta:    what is known of the text beside its bytes (title, author, year, ...): plain JSON values.
    """

    source: str
    id: str
    url: str
    name: str
    bytes: int | None = None
    sha256: str | None = None
    licence: str = "unknown"
    meta: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {**asdict(self), "meta": dict(self.meta)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Item:
        """What `to_dict` gave. Raises ValueError for anything else."""
        try:
            item = cls(**data)
        except TypeError as error:
            raise ValueError(f"not an item: {error}") from None
        texts = (item.source, item.id, item.url, item.name, item.licence)
        numbers = item.bytes is None or (isinstance(item.bytes, int) and item.bytes >= 0)
        if not all(isinstance(text, str) for text in texts) or not numbers or not isinstance(item.meta, dict):
            raise ValueError("not an item: a value has another type")
        return item


def place(into: Path, item: Item) -> Path:
    """Where the item is stored: `into/<source>/<name>`. Raises BadName."""
    check_source(item.source)
    check_name(item.name)
    return into / item.source / item.name


def check_source(source: str) -> None:
    """Raise BadName unless a folder can be called after this source."""
    if not _SOURCE.fullmatch(source):
        raise BadName(f"{source!r} can not name the folder of a source")


def check_name(name: str) -> None:
    """Raise BadName unless `name` is a plain relative path: it stays below its folder on every system, and no part of
    it is hidden (names with a dot in front are ours, for files that are not whole yet)."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise BadName(f"{name!r} is no plain relative path")
    if any(part.startswith(".") for part in parts):
        raise BadName(f"{name!r} has a part that begins with a dot")
    if not name.isprintable() or any(sign in name for sign in '\\:*?"<>|'):
        raise BadName(f"{name!r} has characters that not every system takes in a name")
    if any(part.endswith((" ", ".")) for part in parts):
        raise BadName(f"{name!r} has a part that ends with a space or a dot")
    if len(name.encode()) > LONGEST_PATH_BYTES or any(len(part.encode()) > LONGEST_NAME_BYTES for part in parts):
        raise BadName(f"{name[:80]!r}... is too long for a file name")
