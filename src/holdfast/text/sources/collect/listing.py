"""From a source to the files to fetch, within its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

from holdfast.base.faults import DataFault
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.items import BadName, Item, check_name
from holdfast.text.rejection import Rejected
from holdfast.text.sources.catalogue.entry import Entry, Kind
from holdfast.text.sources.catalogue.registry import Source
from holdfast.text.sources.collect import github, gutenberg, http_list, huggingface, internet_archive, tcp

COLLECTORS: dict[Kind, Callable[[Source, Client], Iterator[Item | Rejected]]] = {
    "gutenberg": gutenberg.listed,
    "internet-archive": internet_archive.listed,
    "tcp": tcp.listed,
    "github": github.listed,
    "http-list": http_list.listed,
    "huggingface": huggingface.listed,
}


def fetchable(entry: Entry) -> bool:
    """Whether its files can be fetched at all: not those that are here already, nor those one has to ask for."""
    return entry.kind in COLLECTORS


def items(source: Source, client: Client, left_out: Callable[[Rejected], None]) -> Iterator[Item]:
    """The files of a source, one by one as the service lists them, so that nothing is asked that nobody takes.

    left_out: told of everything that is listed and can not be had, with the reason. The source's own limits hold:
    `include` and `exclude` by id or name, `max_items`, and `max_bytes` as far as the service says sizes.
    Raises DataFault when the service does not answer as it should.
    """
    entry = source.entry
    if not fetchable(entry):
        return
    taken = size = 0
    names: set[str] = set()
    for found in _listed(source, client):
        if isinstance(found, Rejected):
            left_out(found)
        elif not _wanted(entry, found):
            continue
        elif not _storable(found):
            left_out(Rejected(found.id, "no file can have its name", found.name))
        elif found.name.casefold() in names:  # some file systems do not tell capitals apart
            left_out(Rejected(found.id, "another file of this source has its name", found.name))
        elif entry.max_bytes is not None and size + (found.bytes or 0) > entry.max_bytes:
            left_out(Rejected(source.id, "max_bytes is reached", f"{found.name} is not within {entry.max_bytes:,}"))
            return
        else:
            names.add(found.name.casefold())
            yield found
            taken += 1
            size += found.bytes or 0
            if taken == entry.max_items:
                return


def _listed(source: Source, client: Client) -> Iterator[Item | Rejected]:
    try:
        yield from COLLECTORS[source.entry.kind](source, client)
    except DataFault as fault:
        raise DataFault(f"source {source.id} can not be listed: {fault.cause}", fault.remedy) from fault


def _storable(item: Item) -> bool:
    try:
        check_name(item.name)
    except BadName:
        return False
    return True


def _wanted(entry: Entry, item: Item) -> bool:
    def among(patterns: list[str]) -> bool:
        return any(fnmatchcase(text, pattern) for pattern in patterns for text in (item.id, item.name))

    return (not entry.include or among(entry.include)) and not among(entry.exclude)
