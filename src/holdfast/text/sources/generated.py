"""Text that is made on the spot, for machines without books."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.base.records import Document
from holdfast.text import harbour
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings


def documents(settings: CorpusSettings, seed: int, meter: Meter) -> Iterator[Document | Rejected]:
    """`settings.documents` documents of the named generator; the same for the same seed."""
    for document in harbour.documents(settings.documents, seed):
        meter.advance(len(document.text))
        yield document


def fingerprint(settings: CorpusSettings) -> str:
    """The generator's name and a hash of what it makes; the rest it depends on is in the settings and the seed."""
    return f"{settings.generator} {harbour.fingerprint()}"
