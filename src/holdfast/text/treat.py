"""All that is done to one document by itself, wherever that happens: cleaned, judged, measured, sketched, written down.

It depends on the document and the settings and on nothing else, so documents can be treated side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from holdfast.base.records import Document
from holdfast.text.dedup.decontaminate import Evaluations, decontaminate
from holdfast.text.dedup.paragraphs import Marked, marked
from holdfast.text.dedup.shingles import words
from holdfast.text.dedup.sketch import sketch
from holdfast.text.ledger import Entry, entry
from holdfast.text.lines import document_line, json_line
from holdfast.text.rejection import Rejected, preview
from holdfast.text.rules import Rules
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import Cursor

EVALUATED = "mostly text of an evaluation set"
DECONTAMINATED = "decontaminated"  # the step's name in a document's meta


@dataclass(frozen=True, slots=True)
class Treated:
    """A document that is kept, in the forms in which it is written.

    line, row:    it and its row in the ledger, as lines of JSON.
    entry:        what is remembered of it.
    sketch:       its sketch as bytes, empty when nobody asks for it.
    paragraphs:   its longer paragraphs, when they are compared.
    evaluated:    passages that were cut out of it, by evaluation file.
    """

    line: bytes
    row: bytes
    entry: Entry
    sketch: bytes = b""
    paragraphs: Marked | None = None
    evaluated: dict[str, int] = field(default_factory=dict)


class Treatment:
    """What the settings make of a document. Called with what a source found, and where."""

    def __init__(self, settings: CorpusSettings, seed: int, against: Evaluations | None) -> None:
        self.settings = settings
        self.seed = seed
        self.against = against
        self.rules = Rules(settings)

    def __call__(self, found: tuple[Cursor, Document | Rejected]) -> Treated | Rejected:
        """A document that is kept as it is written, or why a text is not used."""
        document = found[1]
        if isinstance(document, Document):
            document = self.rules.treat(document)
        return document if isinstance(document, Rejected) else self._treated(document)

    def _treated(self, document: Document) -> Treated | Rejected:
        dedup = self.settings.dedup
        near = dedup.documents == "near"
        if not near and dedup.paragraphs == "off" and self.against is None:
            return self._written(document)
        found = words(document.text)
        evaluated: dict[str, int] = {}
        if self.against is not None and (without := decontaminate(document.text, found, self.against)) is not None:
            if without.text is None:
                return Rejected(document.id, EVALUATED, ", ".join(without.found), preview(document.text))
            steps = [*document.meta.get("cleaned", ()), DECONTAMINATED]
            document = replace(document, text=without.text, meta={**document.meta, "cleaned": steps})
            found, evaluated = words(document.text), without.found
        return replace(
            self._written(document),
            sketch=sketch(found.hashes).astype("<u4").tobytes() if near else b"",
            paragraphs=marked(document.text, found, dedup.paragraphs == "near") if dedup.paragraphs != "off" else None,
            evaluated=evaluated,
        )

    def _written(self, document: Document) -> Treated:
        noted = entry(self.seed, document)
        row: dict[str, Any] = {
            "id": document.id,
            "source": noted.source,
            "licence": noted.licence,
            "year": noted.year or None,
        }
        row |= {"hash": np.array(noted.digest, ">u8").tobytes().hex(), "steps": list(document.meta.get("cleaned", ()))}
        return Treated(document_line(document), json_line(row), noted)


def size(found: tuple[Cursor, Document | Rejected]) -> int:
    """How much there is to do, in characters."""
    return len(found[1].text) if isinstance(found[1], Document) else 0
