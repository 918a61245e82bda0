"""What a run has promised by a certain moment, and what of it does not hold in what was found on the disk.

mixture   what verifies is, bit for bit, one of the states that were saved, with its own journal behind it
lost      what was saved is there until retention lets it go; the newest is never let go
nothing   the reader finds something as soon as something was saved, and never has to give up
damage    a crash leaves the old or the new: nothing is found that does not verify, and no file of advice is half
journal   what was committed to the journal can be read, and nothing can be read that was not written
marks     what was found out about a checkpoint is known as long as the checkpoint is there
stuck     the next start can go on: it clears away what was left, saves, and finds that again
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from holdfast.journal.lines import decode

from .runs import Saved
from .trace import Done, Event, Said

RecordKey = tuple[int, float]  # number and time


@dataclass(frozen=True, slots=True)
class Found:
    """What the readers made of a disk. wrong: (invariant, text) of what can not be right whatever was promised."""

    newest: str | None
    sound: frozenset[str]
    damaged: frozenset[str]
    marks: frozenset[tuple[str, str]]
    records: frozenset[RecordKey]
    wrong: tuple[tuple[str, str], ...]


@dataclass
class Promised:
    """The promises so far; `hear` takes the events in order.

    kept:  name of a checkpoint -> the names under one of which it, or its weights, must be there.
    order: names in the order of the run. newest: the last of them that was saved.
    """

    order: tuple[str, ...]
    newest: str | None = None
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rotten: set[str] = field(default_factory=set)
    marks: set[tuple[str, str]] = field(default_factory=set)
    journaled: set[RecordKey] = field(default_factory=set)
    broken: list[tuple[str, str]] = field(default_factory=list)
    _written: dict[str, list[RecordKey]] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        """Take one more event into account."""
        match event:
            case Done("write", path, _, data) if path.startswith("journal/"):
                record = decode(data)
                self._written.setdefault(path, []).append((record["seq"], record["time"]))
            case Said("saved", name):
                self.kept.setdefault(name, (name,))
                self.newest = max(self.newest or name, name, key=self.order.index)
            case Said("may go", names):
                self._let_go(names)
            case Said("may be cut down", names):
                self.kept |= {name: (name, f"{name}.weights") for name in names}
            case Said("rotten", name):
                self.rotten.add(name)
                self._let_go([name])
                self.newest = max(self.kept, key=self.order.index)
            case Said("marked", mark):
                self.marks.add(mark)
            case Said("journaled", path):
                self.journaled.update(self._written[path])

    def _let_go(self, names: Iterable[str]) -> None:
        for name in names:
            if name == self.newest and name not in self.rotten:
                self.broken.append(("lost", f"retention lets {name} go, the newest"))
            whole = name.removesuffix(".weights")
            self.kept.pop(whole, None)
            self.marks = {mark for mark in self.marks if mark[0] != whole}

    def violations(self, found: Found) -> Iterator[tuple[str, str]]:
        """(invariant, text) of every promise that what was found breaks."""
        yield from found.wrong
        yield from self.broken
        if self.newest is not None:
            if found.newest is None:
                yield "nothing", f"{self.newest} was saved, and nothing is found"
            elif self.order.index(found.newest) < self.order.index(self.newest):
                yield "lost", f"{self.newest} was saved, and {found.newest} is the newest that is found"
        for name, alternatives in self.kept.items():
            if found.sound.isdisjoint(alternatives):
                yield "lost", f"{name} was saved, and is not there"
        yield from (("damage", f"{name} does not verify") for name in sorted(found.damaged - self.rotten))
        yield from (("marks", f"{mark} is not known") for mark in sorted(self.marks - found.marks))
        if missing := self.journaled - found.records:
            yield "journal", f"{len(missing)} records were committed and are not there"


def written(events: Iterable[Event]) -> frozenset[RecordKey]:
    """Every record that was ever sent to the journal."""
    lines = (event.data for event in events if isinstance(event, Done) and event.path.startswith("journal/"))
    return frozenset((record["seq"], record["time"]) for record in map(decode, filter(None, lines)))


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be right at all: every state that was saved, and every record that was written."""

    saved: Mapping[str, Saved]
    records: frozenset[RecordKey]
