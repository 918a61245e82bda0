"""Pull the plug at every moment of a recorded run, and hold what is found against what was promised by then."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from .filesystems import Disk, FileSystem, Tree, fingerprint
from .promises import Facts, Found, Promised, written
from .readers import Readers, go_on
from .runs import Scene
from .trace import crash_points

SHOWN = 5  # broken promises that are told in full


@dataclass
class Explored:
    """What was tried and what was found: crash points, states (each a way in which the power can go), the different
    disks among them, and the broken promises, by invariant."""

    crash_points: int = 0
    states: int = 0
    disks: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """For the summary."""
        counts = {"crash_points": self.crash_points, "states": self.states, "different_disks": self.disks}
        return counts | {"violations": dict(sorted(self.violations.items()))}


class Explorer:
    """Builds disks in `place`, a folder that is best kept in memory.

    go_on_every: from every so many-th different disk a real start also goes on; None: they are only read.
    """

    def __init__(self, place: Path, go_on_every: int | None = None) -> None:
        self._place = place
        self._go_on_every = go_on_every
        self._tried = 0

    def explore(
        self,
        scene: Scene,
        system: FileSystem,
        budget: int,
        *,
        since: int = 0,
        stride: int = 1,
        into: Explored | None = None,
    ) -> Explored:
        """Look at up to `budget` states of `system` at every `stride`-th moment from event `since` on."""
        explored = Explored() if into is None else into
        events, saved = scene.recorder.events, scene.saved
        readers = Readers(Facts(saved, written(events)))
        promised, heard = Promised(tuple(saved)), 0
        disk, seen = Disk(events, system), dict[bytes, Found]()
        for at in islice(crash_points(events, since), 0, None, stride):
            for event in events[heard:at]:
                promised.hear(event)
            heard = at
            explored.crash_points += 1
            for tree in disk.states(at, budget, random.Random(at)):
                explored.states += 1
                key = fingerprint(tree)
                if key not in seen:
                    seen[key] = self._try(tree, readers)
                    explored.disks += 1
                broken = {kind: text for kind, text in promised.violations(seen[key])}
                explored.violations.update(broken.keys())
                if broken and len(explored.examples) < SHOWN:
                    explored.examples.append(f"{system.name}, after event {at} of {len(events)}: {broken}")
        return explored

    def _try(self, tree: Tree, readers: Readers) -> Found:
        folder = self._place / "disk"
        lay_out(tree, folder)
        found = readers.look(folder, tree)
        self._tried += 1
        due = self._go_on_every is not None and self._tried % self._go_on_every == 0
        if due and (problem := go_on(folder)) is not None:
            found = replace(found, wrong=(*found.wrong, ("stuck", problem)))
        shutil.rmtree(folder)
        return found


def lay_out(tree: Tree, folder: Path) -> None:
    """Make `folder` hold what a disk does."""
    folder.mkdir()
    for path, content in tree.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)
