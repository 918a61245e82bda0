"""Text from the sources that a recipe names: what was fetched of them, or lies here already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.disk.files import fingerprint as hash_of
from holdfast.text.fetch.place import sources_folder
from holdfast.text.locate import InputFile, files_fingerprint, find_inputs
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import local
from holdfast.text.sources.catalogue.registry import Source, load, usable
from holdfast.text.sources.collect.listing import fetchable

Found = Iterator[Document | Rejected]


@dataclass(frozen=True, slots=True)
class Reading:
    """A source that is here: its files by name, and the settings to read them with."""

    source: Source
    files: tuple[InputFile, ...]
    settings: CorpusSettings


def units(settings: CorpusSettings, seed: int, meter: Meter) -> Iterator[Found]:
    """The units of each named source, in the order they are named; ids and paths begin with the source's id.

    A source with `max_documents` is one unit, so that its count is right wherever reading goes on. `seed` is not used.
    Raises DataFault that names every source that is not here; RecipeFault for one that does not exist or is off.
    """
    parts = readings(settings)
    total = (meter.total or 0) + sum(file.bytes for part in parts for file in part.files)
    for part in parts:
        inside = local.units(part.settings, seed, meter)
        most = part.source.entry.max_documents
        for unit in inside if most is None else (_first(chain.from_iterable(inside), most),):
            meter.total = total
            yield (_marked(found, part.source) for found in unit)


def fingerprint(settings: CorpusSettings) -> str:
    """What the named sources hold right now, and what the catalogue says of them that ends up in documents."""
    return hash_of([[part.source.id, _said(part.source), _cut(part), _held(part)] for part in readings(settings)])


def readings(settings: CorpusSettings) -> list[Reading]:
    """Where each named source is. Raises as `units` does."""
    chosen = load(settings.source_files).named(settings.sources or [])
    usable(chosen)
    if missing := [source for source in chosen if not is_here(source)]:
        raise _missing(missing)
    return [_reading(source, settings) for source in chosen]


def input_files(settings: CorpusSettings) -> list[InputFile]:
    """All files of the named sources. Raises as `units` does."""
    return [file for part in readings(settings) for file in part.files]


def folder(source: Source) -> Path:
    """Where the files of a source are put by `holdfast fetch`, or by hand."""
    return sources_folder() / source.id


def is_here(source: Source) -> bool:
    """Whether anything of a source is here. A local one always is: a path that names nothing is a fault of its own."""
    if source.entry.kind == "local":
        return True
    here = os.walk(folder(source))
    return any(not name.startswith(".") and not name.endswith(".part") for _, _, names in here for name in names)


def _missing(sources: Sequence[Source]) -> DataFault:
    """One fault for all of them: what `holdfast fetch` brings, and what people have to get themselves."""
    byhand = [source for source in sources if not fetchable(source.entry)]
    remedies = (
        ["`holdfast fetch RECIPE`, on a machine with internet, brings them"] if len(byhand) < len(sources) else []
    )
    remedies += [f"put files from {source.entry.url} into {folder(source)}" for source in byhand]
    what = "1 source is" if len(sources) == 1 else f"{len(sources)} sources are"
    return DataFault(f"{what} not here yet: {', '.join(source.id for source in sources)}", "; ".join(remedies))


def _reading(source: Source, settings: CorpusSettings) -> Reading:
    entry = source.entry
    path = str(folder(source)) if entry.path is None else entry.path
    inputs = find_inputs(path, f"the path of source {source.id}")
    field = entry.column or settings.text_field
    return Reading(source, inputs.files, settings.model_copy(update={"path": path, "text_field": field}))


def _first(found: Found, most: int) -> Found:
    """As many documents, and what was left out on the way."""
    for each in found:
        yield each
        most -= isinstance(each, Document)
        if not most:
            return


def _marked(found: Document | Rejected, source: Source) -> Document | Rejected:
    if isinstance(found, Rejected):
        return replace(found, id=f"{source.id}/{found.id}")
    path = f"{source.id}/{found.meta.get('path', found.id)}"
    return Document(f"{source.id}/{found.id}", found.text, {**found.meta, **_said(source), "path": path})


def _said(source: Source) -> Mapping[str, Any]:
    """What the catalogue says of every text of a source."""
    entry = source.entry
    said = {"source": source.id, "licence": entry.licence}
    return said if entry.period is None else {**said, "period": str(entry.period)}


def _cut(part: Reading) -> list[Any]:
    return [part.settings.text_field, part.source.entry.max_documents]


def _held(part: Reading) -> str:
    return files_fingerprint(part.files)
