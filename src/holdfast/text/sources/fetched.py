"""Text from the sources that a recipe names: what was fetched of them, or lies here already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.disk.files import fingerprint as hash_of
from holdfast.text.fetch.items import Item
from holdfast.text.fetch.lock import Lock, asked_fingerprint, read_lock
from holdfast.text.fetch.place import sources_folder
from holdfast.text.locate import InputFile, files_fingerprint, find_inputs
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import local
from holdfast.text.sources.catalogue.entry import fields_of
from holdfast.text.sources.catalogue.registry import Source, load, usable
from holdfast.text.sources.collect.listing import fetchable

FETCH = "`holdfast fetch RECIPE`, on a machine with internet"
Found = Iterator[Document | Rejected]


@dataclass(frozen=True, slots=True)
class Reading:
    """A source that is here.

    files:    to read, by name.
    settings: to read them with.
    items:    what the archive said of each file, by name; nothing of files that were not fetched by us.
    lacking:  files that the archive has and that did not come.
    """

    source: Source
    files: tuple[InputFile, ...]
    settings: CorpusSettings
    items: Mapping[str, Item]
    lacking: tuple[Rejected, ...] = ()

    def units(self, meter: Meter) -> Iterator[Found]:
        """What did not come, then the units of the files."""
        yield iter(self.lacking)
        wanted = {file.path for file in self.files}
        strangers, *inside = local.units(self.settings, 0, meter)
        yield strangers
        everything = find_inputs(self.settings.path or []).files
        yield from (unit for file, unit in zip(everything, inside, strict=True) if file.path in wanted)

    def document(self, found: Document) -> Document:
        """A text with where it is from. What it says of itself stands before what the archive says of it; but its
        licence is the archive's word, which is the catalogue's where the archive has none. Where nobody says its year,
        and the source is of a single one, it is that."""
        id, path = self.source.id, str(found.meta.get("path", found.id))
        archives = self.items[path].meta if path in self.items else {}
        period = self.source.entry.period
        year = {"year": period.first} if period is not None and period.first == period.last else {}
        catalogues = _of(self.source)
        licence = archives.get("licence", catalogues["licence"])
        meta = {**year, **archives, **found.meta, **catalogues, "licence": licence, "path": f"{id}/{path}"}
        return Document(f"{id}/{found.id}", found.text, meta)

    def fingerprint(self) -> str:
        """A hash of all that its documents depend on."""
        field, most = self.settings.text_field, self.source.entry.max_documents
        said = {name: dict(item.meta) for name, item in self.items.items()}
        return hash_of([_of(self.source), field, most, said, files_fingerprint(self.files)])


def units(settings: CorpusSettings, seed: int, meter: Meter) -> Iterator[Found]:
    """The units of each named source, in the order they are named; ids and paths begin with the source's id.

    A source with `max_documents` is one unit, so that its count is right wherever reading goes on. `seed` is not used.
    Raises DataFault that names every source that is not here; RecipeFault for one that does not exist or is off.
    """
    parts = readings(settings)
    total = (meter.total or 0) + sum(file.bytes for part in parts for file in part.files)
    for part in parts:
        inside = part.units(meter)
        most = part.source.entry.max_documents
        for unit in inside if most is None else (_first(chain.from_iterable(inside), most),):
            meter.total = total
            yield _marked(unit, part)


def fingerprint(settings: CorpusSettings) -> str:
    """What the named sources hold right now, and what the catalogue says of them that ends up in documents."""
    return " ".join(part.fingerprint() for part in readings(settings))


def readings(settings: CorpusSettings) -> list[Reading]:
    """Where each named source is. Raises as `units` does."""
    chosen = load(settings.source_files).named(settings.sources or [])
    usable(chosen)
    if not chosen:
        raise DataFault("corpus.sources is an empty list", "name a source, see `holdfast sources list`")
    if missing := [source for source in chosen if not is_here(source)]:
        raise _missing(missing)
    return [_reading(source, settings) for source in chosen]


def input_files(settings: CorpusSettings) -> list[InputFile]:
    """All files of the named sources. Raises as `units` does."""
    return [file for part in readings(settings) for file in part.files]


def folder(source: Source) -> Path:
    """Where the files of a source are put by `holdfast fetch`, or by hand."""
    return sources_folder() / source.id


def asked(source: Source) -> str:
    """What decides which files a source has, as a short name: its lock is called by it."""
    include = {"kind", "period", *fields_of(source.entry.kind)} - {"column"}
    return asked_fingerprint(source.entry.model_dump(mode="json", include=include))


def lock_of(source: Source) -> Lock | None:
    """The lock of a source, None when it was never fetched as it is asked for now. Raises DataFault."""
    return read_lock(sources_folder(), source.id, asked(source))


def is_here(source: Source) -> bool:
    """Whether anything of a source is here. A local one always is: a path that names nothing is a fault of its own.

    Raises DataFault for a damaged lock.
    """
    if source.entry.kind == "local":
        return True
    if fetchable(source.entry):
        lock = lock_of(source)
        return lock is not None and any(each.fetched for each in lock.files)
    return folder(source).is_dir() and any(folder(source).iterdir())


def _missing(sources: Sequence[Source]) -> DataFault:
    """One fault for all of them: what `holdfast fetch` brings, and what people have to get themselves."""
    byhand = [source for source in sources if not fetchable(source.entry)]
    remedies = [f"{FETCH}, brings them"] if len(byhand) < len(sources) else []
    remedies += [f"put files from {source.entry.url} into {folder(source)}" for source in byhand]
    what = "1 source is" if len(sources) == 1 else f"{len(sources)} sources are"
    return DataFault(f"{what} not here yet: {', '.join(source.id for source in sources)}", "; ".join(remedies))


def _reading(source: Source, settings: CorpusSettings) -> Reading:
    entry = source.entry
    path = str(folder(source)) if entry.path is None else entry.path
    field = entry.column or settings.text_field
    inner = settings.model_copy(update={"path": path, "text_field": field})
    inputs = find_inputs(path, f"the path of source {source.id}").files
    lock = lock_of(source) if fetchable(entry) else None
    if lock is None:
        return Reading(source, inputs, inner, {})
    items = {each.item.name: each.item for each in lock.files if each.fetched}
    files = tuple(file for file in inputs if file.name in items)
    if gone := sorted(items.keys() - {file.name for file in files}):
        what = (
            f"{len(gone):,} of the {len(items):,} files of source {source.id} are not there any more, such as {gone[0]}"
        )
        raise DataFault(what, f"{FETCH}, brings them again")
    lacking = [
        Rejected(each.item.name, "not fetched", each.why or "never tried") for each in lock.files if not each.fetched
    ]
    return Reading(source, files, inner, items, tuple(lacking))


def _first(found: Found, most: int) -> Found:
    """As many documents, and what was left out on the way."""
    for each in found:
        yield each
        most -= isinstance(each, Document)
        if not most:
            return


def _marked(unit: Found, part: Reading) -> Found:
    for found in unit:
        if isinstance(found, Rejected):
            yield replace(found, id=f"{part.source.id}/{found.id}")
        else:
            yield part.document(found)


def _of(source: Source) -> dict[str, Any]:
    """What the catalogue says of every text of a source."""
    entry = source.entry
    said = {"source": source.id, "licence": entry.licence}
    return said if entry.period is None else {**said, "period": str(entry.period)}
