"""The catalogue of sources as plain data: what is in it, what one is, and whether it is still where it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault, DiskFault, RecipeFault
from holdfast.disk.files import write_text
from holdfast.journal.sinks.bars import progress_bar
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.settings import FetchSettings
from holdfast.text.sources.catalogue.entry import parse_years
from holdfast.text.sources.catalogue.registry import Source, load
from holdfast.text.sources.collect.check import check
from holdfast.text.sources.collect.listing import fetchable
from holdfast.text.sources.fetched import folder, is_here


def list_sources(
    files: Sequence[str], period: str | None, place: str | None, licence: str | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The chosen sources, and a line for each shipped one that a user's file changes. Raises RecipeFault."""
    registry = load(files)
    try:
        years = None if period is None else parse_years(period)
    except ValueError as error:
        raise RecipeFault(f"--period {period}: {error}", "such as --period 1700-1800") from None
    found = sorted(
        registry.chosen(years, place, licence), key=lambda source: (not source.entry.enabled, source.entry.turn)
    )
    return [describe(source) for source in found], [
        f"{source.origin} changes {source.id}: {', '.join(source.changes)}"
        for source in found
        if set(source.changes) - {"probed"}
    ]


def show_source(files: Sequence[str], id: str) -> dict[str, Any]:
    """All that is known of one source. Raises RecipeFault when there is none of this name."""
    return describe(load(files).named([id])[0])


def describe(source: Source) -> dict[str, Any]:
    """As plain data: the entry, where it is described, and whether its files are here."""
    entry = source.entry.model_dump(mode="json")
    origin = {"described_in": source.origin, "changes": list(source.changes)}
    kept = source.entry.path if source.entry.kind == "local" else str(folder(source))
    return {"id": source.id, **entry, **origin, "state": _state(source), "folder": kept}


def _state(source: Source) -> str:
    if not source.entry.enabled:
        return "off"
    try:
        if is_here(source):
            return "here"
    except DataFault:  # whoever fetches or reads it is told more
        return "damaged"
    return "to fetch" if fetchable(source.entry) else "by hand"


def record_check(files: Sequence[str], found: Sequence[Mapping[str, Any]], path: Path, today: date) -> int:
    """Write a list that says of the shipped sources that are there when they were seen; returns how many.

    Raises DiskFault when it can not be written.
    """
    registry = load(files)
    mine = {source.id for source in registry.values() if source.changes or not source.shipped}
    seen = [each["source"] for each in found if each["ok"] and each["source"] not in mine]
    lines = [f"about: What `holdfast sources check` saw on {today}.", "sources:"]
    try:
        write_text(path, "\n".join([*lines, *(f"  {id}: {{probed: {today}}}" for id in seen)]) + "\n")
    except OSError as error:
        raise DiskFault(f"{path} can not be written: {error.strerror}", "name another file") from None
    return len(seen)


def check_sources(files: Sequence[str], ids: Sequence[str], quiet: bool) -> list[dict[str, Any]]:
    """Probe the named sources, or all that are enabled. Raises RecipeFault for one that does not exist.

    A host that does not answer is asked once more and no oftener: this is to find out, not to fetch.
    """
    registry = load(files)
    chosen = registry.named(ids) if ids else [each for each in registry.values() if each.entry.enabled]
    found = []
    with Client(FetchSettings(retries=1)) as client, progress_bar("sources", unit="sources", quiet=quiet) as progress:
        progress(0, len(chosen))
        for number, source in enumerate(chosen, 1):
            finding = check(source, client)
            dead = [{"id": id, "why": why} for id, why in finding.dead]
            found.append({"source": source.id, "ok": finding.ok, "alive": finding.alive, "dead": dead})
            progress(number, len(chosen))
    return found


def _order(source: Source) -> tuple[bool, int]:
    return not source.entry.enabled, source.entry.turn
