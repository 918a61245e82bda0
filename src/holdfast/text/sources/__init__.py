"""One file per place that text comes from: made here (`generated`), files (`local`), named sources (`fetched`).

Each is a module with `units(settings, seed, meter)` and `fingerprint(settings)`, which changes whenever the documents
would. A unit is a file, or whatever else can be passed over without being opened: an iterator of Document and Rejected,
the same each time. What the named sources are is in `catalogue`, how their files are found on the network in `collect`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from types import ModuleType
from typing import NamedTuple

from holdfast.base.records import Document
from holdfast.disk.files import fingerprint
from holdfast.text.locate import InputFile, files_fingerprint, find_inputs
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import fetched, generated, local


class Cursor(NamedTuple):
    """How far a source was read, so that reading can go on from there.

    unit: units that need not be opened again. item: what was taken from the next one. read: what the meter said when
    that one was opened.
    """

    unit: int
    item: int
    read: int


START = Cursor(0, 0, 0)


def documents(
    settings: CorpusSettings, seed: int, meter: Meter, start: Cursor = START
) -> Iterator[tuple[Cursor, Document | Rejected]]:
    """What the settings name holds behind `start`, one text at a time, each with the place behind it.

    Raises DataFault when it can not be read at all; RecipeFault for a source that does not exist or is not enabled.
    """
    meter.advance(start.read)
    units = chain.from_iterable(place.units(settings, seed, meter) for place in _places(settings))
    for number, unit in enumerate(units):
        if number < start.unit:
            continue
        known = start.item if number == start.unit else 0
        before = meter.done
        for item, found in enumerate(unit, 1):
            if item > known:
                yield Cursor(number, item, before), found


def source_fingerprint(settings: CorpusSettings) -> str:
    """What the settings name holds right now: equal as long as it would give the same documents.

    Raises as `documents` does.
    """
    found = " ".join(place.fingerprint(settings) for place in _places(settings))
    if settings.words is None:
        return found
    return fingerprint([found, files_fingerprint(find_inputs(settings.words, "corpus.words").files)])


def _places(settings: CorpusSettings) -> list[ModuleType]:
    named = ((settings.generator, generated), (settings.path, local), (settings.sources, fetched))
    return [place for said, place in named if said is not None]


def content_fingerprint(paths: str | list[str], setting: str = "sft.path") -> str:
    """What any named files hold right now. Raises DataFault, naming the setting, when there are none."""
    return files_fingerprint(find_inputs(paths, setting).files)


def content_bytes(files: Sequence[InputFile]) -> int:
    """Bytes of text in files: their size, or an estimate where they are packed."""
    return sum(map(local.unpacked_bytes, files))
