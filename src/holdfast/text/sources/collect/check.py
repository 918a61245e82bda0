"""Whether what the catalogue names is still there: asked politely, and as little as will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Client
from holdfast.text.locate import find_inputs
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect.listing import fetchable, items

LOOKED_AT = 3  # of what a search or a list finds: enough to know that it still finds something


@dataclass(frozen=True, slots=True)
class Finding:
    """How a source is. alive: how many of its files were seen; dead: id and reason of those that are gone."""

    source: str
    alive: int
    dead: tuple[tuple[str, str], ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is gone, and something is there."""
        return self.alive > 0 and not self.dead


def check(source: Source, client: Client) -> Finding:
    """Look at every file that the entry names by an id or an address, and at a few of those it describes by words.

    Of a source that one has to ask for, its page is looked at; of a local one, its path.
    """
    entry = source.entry
    try:
        if entry.kind == "local":
            return Finding(source.id, len(find_inputs(entry.path or [], f"path of {source.id}").files), ())
        if not fetchable(entry):
            return _seen(source, {entry.url or "": entry.url or ""}, [], client)
        return _listed(source, client)
    except DataFault as fault:
        first = fault.__cause__ if isinstance(fault.__cause__, DataFault) else fault
        return Finding(source.id, 0, ((source.id, first.cause),))


def _listed(source: Source, client: Client) -> Finding:
    entry = source.entry
    named = [*entry.ids, *entry.urls]
    left_out: list[Rejected] = []
    bounded = entry.model_copy(update={"max_items": len(named) or LOOKED_AT, "max_bytes": None})
    files = {item.id: item.url for item in items(replace(source, entry=bounded), client, left_out.append)}
    gone = [(each.id, each.why) for each in left_out if each.id in named or not files]
    return _seen(source, files, gone, client)


def _seen(source: Source, files: dict[str, str], gone: Sequence[tuple[str, str]], client: Client) -> Finding:
    dead = list(gone)
    alive = 0
    for id, url in files.items():
        probe = client.probe(url)
        alive += probe.ok
        if not probe.ok:
            dead.append((id, f"{url}: {probe.why}"))
    if not alive and not dead:
        dead.append((source.id, "nothing is found"))
    return Finding(source.id, alive, tuple(dead[:100]))
