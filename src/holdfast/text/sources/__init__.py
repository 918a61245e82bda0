"""One file per place that text comes from.

A source is a module with `documents(settings, seed, meter)`, an iterator of Document and Rejected, and
`fingerprint(settings)`, which changes whenever the documents would.
"""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.base.records import Document
from holdfast.text.locate import files_fingerprint, find_inputs
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import generated, local


def documents(settings: CorpusSettings, seed: int, meter: Meter) -> Iterator[Document | Rejected]:
    """What the settings' source holds, one document at a time. Raises DataFault when it can not be read at all."""
    source = local if settings.generator is None else generated
    return source.documents(settings, seed, meter)


def source_fingerprint(settings: CorpusSettings) -> str:
    """What the source holds right now: equal as long as it would give the same documents.

    Raises DataFault when it can not be read at all.
    """
    source = local if settings.generator is None else generated
    return source.fingerprint(settings)


def content_fingerprint(paths: str | list[str], setting: str = "sft.path") -> str:
    """What any named files hold right now. Raises DataFault, naming the setting, when there are none."""
    return files_fingerprint(find_inputs(paths, setting).files)


def content_bytes(paths: str | list[str]) -> int:
    """Bytes of text in the named files: their size, or an estimate where they are packed. Raises DataFault."""
    return sum(map(local.unpacked_bytes, find_inputs(paths).files))
