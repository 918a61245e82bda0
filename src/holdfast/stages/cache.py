"""What was made of a text, kept for other runs: documents, vocabulary and tokens, found by what they were made of.

    HOLDFAST_CACHE/made/tokens/<fingerprint>/     the files as the stage left them
    HOLDFAST_CACHE/made/tokens/<fingerprint>.json written last: settings, inputs, facts, a hash of every file

A run and the cache share files (hard links) where the file system allows it: nobody ever writes into them again. What
is taken is verified first; what is damaged is thrown away and made anew. A cache that can not be written stops nobody.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from holdfast.disk import fileops, parts
from holdfast.disk.files import atomic_writer
from holdfast.stages.resuming.changes import Change, between
from holdfast.stages.stage import RECORD, Wanted

MADE = "made"
ABANDONED_SECONDS = 24 * 3600.0  # nothing takes so long to be shared
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is kept. settings, inputs: what it was made of. bytes: of all its files. used: seconds since 1970
    at which it was last taken."""

    stage: str
    fingerprint: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    bytes: int
    used: float


class Cache:
    """What is kept for other runs. root: the cache folder; it need not exist."""

    def __init__(self, root: Path) -> None:
        self.folder = root / MADE

    def take(self, stage: str, wanted: Wanted, into: Path) -> Mapping[str, Any] | None:
        """Put what is kept under `wanted` into the stage's folder, in the place of all that is there but its record.
        Returns the facts of the stage; None where nothing is kept or it is damaged. Raises OSError."""
        place, record = self._place(stage, wanted.fingerprint), self._record(stage, wanted.fingerprint)
        known = _read(record)
        if known is None:
            return None  # `prune` clears away what a killed process left
        if any(parts.damage(place / name, facts) for name, facts in known["files"].items()):
            self._drop(stage, wanted.fingerprint)
            return None
        for entry in fileops.entries(into):
            if entry.name != RECORD:
                fileops.remove_tree(entry)
        _share(known["files"], place, into)
        os.utime(record)
        facts: Mapping[str, Any] = known["facts"]
        return facts

    def keep(self, stage: str, wanted: Wanted, folder: Path, facts: Mapping[str, Any]) -> None:
        """Keep what a stage made, in the place of what may be kept under the same fingerprint. Raises OSError."""
        self._drop(stage, wanted.fingerprint)
        place = self._place(stage, wanted.fingerprint)
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        files = {name: parts.contents(folder / name) for name in names if name != RECORD}
        _share(files, folder, place)
        parts.seal(
            self._record(stage, wanted.fingerprint),
            {"settings": wanted.settings, "inputs": wanted.inputs, "facts": dict(facts), "files": files},
        )

    def entries(self) -> list[Entry]:
        """Everything that is kept, that which was used last first."""
        return sorted(self._entries(), key=lambda entry: (-entry.used, entry.stage, entry.fingerprint))

    def prune(self, most: float) -> list[Entry]:
        """Throw away what was not used for longest until the rest takes `most` bytes or less. Returns what went."""
        self._clear_away()
        gone, kept = [], 0
        for entry in self.entries():
            kept += entry.bytes
            if kept > most:
                self._drop(entry.stage, entry.fingerprint)
                gone.append(entry)
        return gone

    def differences(self, stage: str, wanted: Wanted) -> list[Change]:
        """How the most similar thing that is kept for a stage differs from what is wanted; of several the one used
        last. Empty where nothing is kept."""
        found = [between(stage, asdict(entry), wanted) for entry in self.entries() if entry.stage == stage]
        return min(found, key=len, default=[])

    def _entries(self) -> Iterator[Entry]:
        for folder in fileops.entries(self.folder):
            for path in fileops.entries(folder):
                if path.suffix == ".json" and (known := _read(path)) is not None:
                    size = sum(facts["bytes"] for facts in known["files"].values())
                    used = path.stat().st_mtime
                    yield Entry(folder.name, path.stem, known["settings"], known["inputs"], size, used)

    def _clear_away(self) -> None:
        """What has no record that can be read, unless somebody may still be at work on it."""
        for path in [path for folder in fileops.entries(self.folder) for path in fileops.entries(folder)]:
            if _read(path.with_suffix(".json")) is None and time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                fileops.remove_tree(path)

    def _drop(self, stage: str, fingerprint: str) -> None:
        """Record first: without one there is no entry."""
        for path in (self._record(stage, fingerprint), self._place(stage, fingerprint)):
            if path.exists():
                fileops.remove_tree(path)

    def _place(self, stage: str, fingerprint: str) -> Path:
        return self.folder / stage / fingerprint

    def _record(self, stage: str, fingerprint: str) -> Path:
        return self.folder / stage / f"{fingerprint}.json"


def _read(record: Path) -> dict[str, Any] | None:
    try:
        return parts.unseal(record)
    except (OSError, ValueError):
        return None


def _share(names: Mapping[str, Any], source: Path, target: Path) -> None:
    """Give files a second name below `target`, or copy them where that can not be."""
    for name in names:
        fileops.make_directory((target / name).parent)
        if (target / name).exists():
            fileops.unlink(target / name)
        try:
            fileops.link(source / name, target / name)
        except OSError:  # another file system, or one without links
            _copy(source / name, target / name)
    for folder in {(target / name).parent for name in names}:
        fileops.sync_directory(folder)


def _copy(source: Path, target: Path) -> None:
    with open(source, "rb") as there, atomic_writer(target) as here:
        while piece := there.read(_PIECE):
            here.write(piece)
