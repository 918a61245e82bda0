"""Protocols that are wrong, made from a sound run by leaving out, moving or replacing what it did.

They show that the explorer can see: each must lose something on at least one of the file systems.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from .runs import STAGE
from .trace import Done, Event

CHECKPOINTS = f"{STAGE}/checkpoints"
_STAGED = re.compile(rf"{CHECKPOINTS}/\.stage/(step-[^/]*?)\.\d+(?=/|$)")
_TRASHED = re.compile(rf"{CHECKPOINTS}/\.trash/(step-[^/]*)(?=/|$)")

Sabotage = Callable[[Sequence[Event]], list[Event]]


def _without(events: Sequence[Event], unwanted: Callable[[Done], bool]) -> list[Event]:
    return [event for event in events if not (isinstance(event, Done) and unwanted(event))]


def _staged(event: Done) -> bool:
    """Whether it is about a checkpoint that does not have its name yet."""
    return _STAGED.match(event.path) is not None


def names_not_synced(events: Sequence[Event]) -> list[Event]:
    """The directory of the checkpoints is not synced after the rename."""
    return _without(events, lambda done: done.kind == "sync_directory" and done.path == CHECKPOINTS)


def files_not_synced(events: Sequence[Event]) -> list[Event]:
    """No file of a checkpoint is synced."""
    return _without(events, lambda done: done.kind == "sync" and _staged(done))


def manifest_not_synced(events: Sequence[Event]) -> list[Event]:
    """All but the manifest is synced."""
    return _without(events, lambda done: done.kind == "sync" and _staged(done) and done.path.endswith(".json"))


def entries_not_synced(events: Sequence[Event]) -> list[Event]:
    """The files are synced and the directory that holds them is not."""
    return _without(events, lambda done: done.kind == "sync_directory" and _staged(done))


def journal_not_synced(events: Sequence[Event]) -> list[Event]:
    """Lines are written to the journal and never pushed to the disk."""
    return _without(events, lambda done: done.kind == "sync" and done.path.startswith("journal/"))


def renamed_before_synced(events: Sequence[Event]) -> list[Event]:
    """A checkpoint gets its name first, and its files are synced then."""
    changed: list[Event] = []
    late: list[Event] = []
    for event in events:
        if isinstance(event, Done) and event.kind in ("sync", "sync_directory") and _staged(event):
            late.append(event)
            continue
        changed.append(event)
        if isinstance(event, Done) and event.kind == "rename" and _staged(event):
            changed += late
            late = []
    return changed


def written_in_place(events: Sequence[Event]) -> list[Event]:
    """A checkpoint is written under its name, the manifest last; it counts from the manifest on."""
    kept = _without(events, lambda done: done.kind == "rename" and _staged(done))
    return [_in_place(event, _STAGED) for event in kept]


def manifest_first(events: Sequence[Event]) -> list[Event]:
    """Written under its name, and the manifest before the files it vouches for."""
    changed: list[Event] = []
    begun = 0
    for event in written_in_place(events):
        if isinstance(event, Done) and event.path.startswith(f"{CHECKPOINTS}/step-"):
            if event.kind == "mkdir":
                begun = len(changed) + 1
            elif event.path.endswith("MANIFEST.json") and event.kind in ("create", "allocate", "write", "sync"):
                changed.insert(begun, event)
                begun += 1
                continue
        changed.append(event)
    return changed


def deleted_in_place(events: Sequence[Event]) -> list[Event]:
    """Retention deletes file by file what still has its name."""
    kept = _without(events, lambda done: done.kind == "rename" and _TRASHED.match(done.target) is not None)
    return [_in_place(event, _TRASHED) for event in kept]


def _in_place(event: Event, elsewhere: re.Pattern[str]) -> Event:
    """The same in the directory that has the checkpoint's name."""
    if not isinstance(event, Done):
        return event
    path, target = (elsewhere.sub(rf"{CHECKPOINTS}/\1", each) for each in (event.path, event.target))
    return replace(event, path=path, target=target)


BOTH = frozenset({"ordered", "weak"})
BREAKS: dict[Sabotage, frozenset[str]] = {
    names_not_synced: BOTH,
    files_not_synced: BOTH,
    manifest_not_synced: BOTH,
    entries_not_synced: frozenset({"weak"}),  # the order of the journal makes up for it
    journal_not_synced: BOTH,
    renamed_before_synced: BOTH,
    written_in_place: BOTH,
    manifest_first: BOTH,
    deleted_in_place: BOTH,
}  # on which file systems each loses something
