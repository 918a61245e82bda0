"""Text that is made on the spot, for machines without books."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.base.records import Document
from holdfast.text import harbour
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings

UNIT_DOCUMENTS = 1000


def units(settings: CorpusSettings, seed: int, meter: Meter) -> Iterator[Iterator[Document | Rejected]]:
    """`settings.documents` documents of the named generator, a thousand at a time; the same for the same seed."""
    for start in range(0, settings.documents, UNIT_DOCUMENTS):
        yield _made(min(UNIT_DOCUMENTS, settings.documents - start), seed, start, meter)


def _made(count: int, seed: int, start: int, meter: Meter) -> Iterator[Document | Rejected]:
    for document in harbour.documents(count, seed, start):
        meter.advance(len(document.text))
        yield document


def fingerprint(settings: CorpusSettings) -> str:
    """The generator's name and a hash of what it makes; the rest it depends on is in the settings and the seed."""
    return f"{settings.generator} {harbour.fingerprint()}"
