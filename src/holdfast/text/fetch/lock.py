"""What a source turned out to hold when it was fetched: every file with its size and hash.

A lock is made from what was asked of the source (its entry, terms and limits), so two recipes that ask for different
things have one each. It is what makes a second fetch, a bundle, an offline check and a corpus speak of the same files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.disk.files import fingerprint
from holdfast.disk.parts import seal, unseal
from holdfast.text.fetch.download import Outcome
from holdfast.text.fetch.items import BadName, Item, check_source, place

SCHEMA = 1
_ASKED_LETTERS = 12
_OURS = ("fetched", "why", "final", "gone")  # what a lock says of an item


@dataclass(frozen=True, slots=True)
class Locked:
    """A file of a source.

    fetched: it came, and the item's bytes and sha256 are those of the file that did.
    why:     it did not come, when it was last tried. final: it would not come if it were tried again as things are.
    gone:    its server said so for good; the source is complete without it.
    """

    item: Item
    fetched: bool = False
    why: str | None = None
    final: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Lock:
    """All files that a source has for what was `asked` of it."""

    source: str
    asked: str
    files: tuple[Locked, ...]

    @classmethod
    def fresh(cls, source: str, asked: str, items: Iterable[Item]) -> Lock:
        """Of a source that was just listed: nothing of it is fetched."""
        return cls(source, asked, tuple(map(Locked, items)))

    @property
    def items(self) -> tuple[Item, ...]:
        """What to fetch; of files that came before, with what they must be."""
        return tuple(each.item for each in self.files)

    def after(self, outcome: Outcome) -> Lock:
        """The lock when these files were fetched, were there, or were not to be had."""
        there = {(each.item.source, each.item.id): each for each in outcome.there}
        failed = {(each.item.source, each.item.id): each for each in outcome.failed}

        def told(each: Locked) -> Locked:
            key = each.item.source, each.item.id
            if key in there:
                return Locked(replace(each.item, bytes=there[key].bytes, sha256=there[key].sha256), fetched=True)
            if key in failed:
                return Locked(each.item, False, failed[key].why, failed[key].final, failed[key].settled)
            return each

        return replace(self, files=tuple(map(told, self.files)))

    def paths(self, into: Path) -> list[Path]:
        """Where the fetched files are."""
        return [place(into, each.item) for each in self.files if each.fetched]


def asked_fingerprint(asked: Mapping[str, Any]) -> str:
    """A short name for what was asked of a source: plain JSON data."""
    return fingerprint(dict(asked))[:_ASKED_LETTERS]


def lock_path(into: Path, source: str, asked: str) -> Path:
    """Where the lock lies: beside the folder of its source. Raises BadName."""
    check_source(source)
    return into / f"{source}.{asked}.lock.json"


def write_lock(into: Path, lock: Lock) -> None:
    """Store it, in the place of an older one. Raises OSError."""
    files = [{**each.item.to_dict(), **{name: getattr(each, name) for name in _OURS}} for each in lock.files]
    value = {"schema": SCHEMA, "source": lock.source, "asked": lock.asked, "files": files}
    seal(lock_path(into, lock.source, lock.asked), value)


def read_lock(into: Path, source: str, asked: str) -> Lock | None:
    """The lock of a source, None when it was never fetched. Raises DataFault for one that is damaged."""
    path = lock_path(into, source, asked)
    try:
        return _parse(unseal(path), source, asked)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "delete it and run `holdfast fetch` again: files that are there are kept"
        raise DataFault(f"{path} is damaged: {error}", remedy) from error


def _parse(value: Mapping[str, Any], source: str, asked: str) -> Lock:
    if value["schema"] != SCHEMA:
        raise ValueError(f"it is of version {value['schema']}, and {SCHEMA} is read here")
    if (value["source"], value["asked"]) != (source, asked):
        raise ValueError("it belongs to another source")
    files = []
    for row in value["files"]:
        item = Item.from_dict({key: row[key] for key in row if key not in _OURS})
        if item.source != source:
            raise BadName(f"{item.id} belongs to {item.source!r}")
        place(Path(), item)  # it is a name that leads nowhere else
        files.append(Locked(item, **{name: row[name] for name in _OURS}))
    return Lock(source, asked, tuple(files))
