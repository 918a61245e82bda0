"""Bringing what a recipe needs to this machine, and recording what it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from holdfast.base.faults import DataFault
from holdfast.stages.recipe import Recipe
from holdfast.stages.supplies.needs import Lack, Need, chosen_sources, needs
from holdfast.stages.supplies.records import Recorded, record_path, write_record
from holdfast.stages.supplies.verifying import Verification
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.clock import Clock
from holdfast.text.fetch.download import Outcome, disk_fault, fetch_all
from holdfast.text.fetch.lock import Lock, write_lock
from holdfast.text.fetch.place import sources_folder
from holdfast.text.look import look
from holdfast.text.rejection import Rejected, Unreadable
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.listing import fetchable, items
from holdfast.text.sources.fetched import asked, lock_of

Progress = Callable[[int, int | None], None]
Bar = Callable[[str, str], AbstractContextManager[Progress]]  # (description, unit)


@dataclass(slots=True)
class Brought:
    """What a fetch did.

    outcome:  of the files of sources.
    troubles: what stood in the way of a whole need, by its name.
    notes:    worth knowing.
    """

    outcome: Outcome = field(default_factory=Outcome)
    troubles: dict[str, list[Lack]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def all_lacks(self, found: Verification) -> list[Lack]:
        """All that is missing after it, by what a look showed; what stood in the way says more than that."""
        named = {each.need.name for each in found.checked}
        loose = [lack for name, lacks in self.troubles.items() if name not in named for lack in lacks]
        return loose + [
            lack for each in found.checked for lack in self.troubles.get(each.need.name) or list(each.lacks)
        ]

    def new_files(self) -> dict[str, int]:
        """How many files came now, by the name of the need."""
        return dict(Counter(f"source {each.item.source}" for each in self.outcome.done))

    def trouble(self, need: str, what: str, remedy: str) -> None:
        """Take down one more."""
        whole = what if what.startswith(need) else f"{need}: {what}"
        self.troubles.setdefault(need, []).append(Lack(whole, remedy))


def fetch(recipe: Recipe, bar: Bar, *, refresh: bool, again: bool, clock: Clock | None = None) -> Brought:
    """Fetch the sources that `recipe` names, and record its own files where nobody has.

    refresh: list the sources anew, and take the user's files as they are now.
    again:   also try what servers refused for good.
    Raises RecipeFault, DiskFault; KeyboardInterrupt, after which the next call goes on.
    """
    brought = Brought()
    sources = [source for source in chosen_sources(recipe) if fetchable(source.entry)]
    sources.sort(key=lambda source: source.entry.turn)
    if sources:
        with Client(recipe.corpus.fetch, clock) as client:
            _bring(sources, client, brought, bar, refresh=refresh, again=again)
    _record(recipe, brought, bar, refresh)
    return brought


def _bring(sources: list[Source], client: Client, brought: Brought, bar: Bar, *, refresh: bool, again: bool) -> None:
    into = sources_folder()
    locks: list[Lock] = []
    with bar("listing", "sources") as progress:
        for number, source in enumerate(sources):
            progress(number, len(sources))
            lock = _listed(source, client, brought, refresh)
            locks += [] if lock is None else [lock]
        progress(len(sources), len(sources))
    wanted = [each.item for lock in locks for each in lock.files if again or not each.gone]
    with bar(f"fetching {len(wanted):,} file{'' if len(wanted) == 1 else 's'}", "B") as progress:
        brought.outcome = fetch_all(wanted, into, client, client.settings, progress, again)
    for lock in locks:
        _write(lock.after(brought.outcome))


def _listed(source: Source, client: Client, brought: Brought, refresh: bool) -> Lock | None:
    """What is there to fetch: remembered, else asked for and remembered; None when nobody answers."""
    left_out: list[Rejected] = []
    try:
        known = None if refresh else lock_of(source)
        if known is not None:
            return known
        lock = Lock.fresh(source.id, asked(source), items(source, client, left_out.append))
    except DataFault as fault:
        brought.trouble(f"source {source.id}", fault.cause, fault.remedy)
        return None
    for reason, count in Counter(each.reason for each in left_out).most_common():
        first = next(each for each in left_out if each.reason == reason)
        brought.notes.append(f"source {source.id}: left out {count:,}: {first.why if count == 1 else reason}")
    _write(lock)
    return lock


def _write(lock: Lock) -> None:
    try:
        write_lock(sources_folder(), lock)
    except OSError as error:
        raise disk_fault(sources_folder(), error) from error


def _record(recipe: Recipe, brought: Brought, bar: Bar, refresh: bool) -> None:
    """Remember the user's own files, of which nothing was recorded yet."""
    for need in needs(recipe, forgetting=refresh):
        if need.recorded or need.lacks or not need.files:
            continue
        with bar(f"recording {need.name}", "B") as progress:
            found = _looked_at(need, brought, progress)
        if found is not None:
            try:
                write_record(need.name, need.words, found)
            except OSError as error:
                raise disk_fault(record_path(need.name, need.words), error) from error


def _looked_at(need: Need, brought: Brought, progress: Progress) -> list[Recorded] | None:
    """Every file as it is; None, with a lack each, when one can not be gone through: what is damaged is no record."""
    total, done, found = sum(file.bytes or 0 for file in need.files), 0, []
    for file in need.files:
        try:
            seen = look(file.path)
            found.append(Recorded(file.name, file.path, seen.bytes, seen.sha256, seen.count, seen.unit))
        except Unreadable as error:
            brought.trouble(need.name, f"{file.name} is damaged: {error.reason}", need.remedy)
        except OSError as error:
            brought.trouble(need.name, f"{file.name} can not be read: {error.strerror}", need.remedy)
        done += file.bytes or 0
        progress(done, total)
    return None if need.name in brought.troubles else found
