"""One file per place that text comes from.

A source is a module with `units(settings, seed, meter)` and `fingerprint(settings)`, which changes whenever the
documents would. A unit is a file, or whatever else can be passed over without being opened: an iterator of Document
and Rejected, the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from holdfast.base.records import Document
from holdfast.disk.files import fingerprint
from holdfast.text.locate import InputFile, files_fingerprint, find_inputs
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import generated, local


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
    """What the settings' source holds behind `start`, one text at a time, each with the place behind it.

    Raises DataFault when it can not be read at all.
    """
    source = local if settings.generator is None else generated
    meter.advance(start.read)
    for number, unit in enumerate(source.units(settings, seed, meter)):
        if number < start.unit:
            continue
        known = start.item if number == start.unit else 0
        before = meter.done
        for item, found in enumerate(unit, 1):
            if item > known:
                yield Cursor(number, item, before), found


def source_fingerprint(settings: CorpusSettings) -> str:
    """What the source holds right now: equal as long as it would give the same documents.

    Raises DataFault when it can not be read at all.
    """
    source = local if settings.generator is None else generated
    found = source.fingerprint(settings)
    if settings.words is None:
        return found
    return fingerprint([found, files_fingerprint(find_inputs(settings.words, "corpus.words").files)])


def content_fingerprint(paths: str | list[str], setting: str = "sft.path") -> str:
    """What any named files hold right now. Raises DataFault, naming the setting, when there are none."""
    return files_fingerprint(find_inputs(paths, setting).files)


def content_bytes(files: Sequence[InputFile]) -> int:
    """Bytes of text in files: their size, or an estimate where they are packed."""
    return sum(map(local.unpacked_bytes, files))
