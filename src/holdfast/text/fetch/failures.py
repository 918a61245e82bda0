"""The list of what could not be fetched: why, and whether another try may help. One JSON object a line."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.disk import fileops
from holdfast.disk.files import write_text
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.part import NO_LOCKS

LIST = "failures.jsonl"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that is not there.

    final:  another try would give the same. status: what the server said, if it was the server.
    when:   seconds since 1970.
    """

    item: Item
    why: str
    final: bool
    status: int | None = None
    when: int = 0

    @property
    def settled(self) -> bool:
        """Whether the server itself said no for good; it is not asked again unless somebody insists."""
        return self.final and self.status is not None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data, what people look for first."""
        day = datetime.fromtimestamp(self.when, UTC).isoformat(timespec="seconds")
        item = self.item.to_dict()
        named = {key: item.pop(key) for key in ("source", "id", "url")}
        return {**named, "why": self.why, "retry": not self.final, "status": self.status, "when": day, "item": item}


def _from_dict(row: Mapping[str, Any]) -> Failure:
    """What `to_dict` gave. Raises ValueError, KeyError, TypeError for anything else."""
    item = Item.from_dict({**row["item"], **{key: row[key] for key in ("source", "id", "url")}})
    when = int(datetime.fromisoformat(row["when"]).timestamp())
    return Failure(item, str(row["why"]), not row["retry"], row["status"], when)


def read_failures(into: Path) -> dict[Key, Failure]:
    """By source and id; a line that can not be read, or a list that is not there, holds none."""
    try:
        lines = (into / LIST).read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    found = {}
    for line in lines:
        try:
            failure = _from_dict(json.loads(line))
        except (ValueError, KeyError, TypeError):  # of another version, or edited by hand: that item is tried again
            continue
        found[failure.item.source, failure.item.id] = failure
    return found


def update_failures(into: Path, tried: Iterable[Item], failed: Iterable[Failure]) -> None:
    """Take what was tried off the list, and put on it what failed; nothing is written where nothing changes."""
    gone = {(item.source, item.id) for item in tried}
    new = {(failure.item.source, failure.item.id): failure for failure in failed}
    fileops.make_directory(into)
    with _alone(into):
        before = read_failures(into)
        after = {key: failure for key, failure in before.items() if key not in gone} | new
        if after != before:
            lines = (json.dumps(after[key].to_dict(), ensure_ascii=True) + "\n" for key in sorted(after))
            write_text(into / LIST, "".join(lines))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process is inside such a block for the same folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield
    finally:
        os.close(handle)
