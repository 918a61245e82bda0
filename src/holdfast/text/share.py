"""What each side gets of a gathered document: all of it, all but some passages, or one piece of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from holdfast.base.records import Document
from holdfast.text.dedup.passages import Cuts, Ranges, without
from holdfast.text.lines import read_document
from holdfast.text.sides import SPLITS, Sides
from holdfast.text.split import cut_document

PARAGRAPHS = "repeated_paragraphs"  # the step's name in a document's meta
Side = Literal["train", "val", "both", "none"]


class Share(NamedTuple):
    """A gathered document, and what becomes of it.

    number: of the document in the ledger. line: as it was gathered. repeated: passages to cut out of it first.
    tail_bytes: how long a piece val gets of one that is for both.
    """

    number: int
    side: Side
    line: bytes
    repeated: Ranges
    tail_bytes: int

    @property
    def is_whole(self) -> bool:
        """Whether its side gets the line as it is."""
        return self.side in SPLITS and not len(self.repeated)

    def documents(self) -> dict[str, Document]:
        """What each side gets; nothing for a side for which nothing is left."""
        document = reduced(read_document(self.line), self.repeated, PARAGRAPHS)
        if self.side != "both":
            return {self.side: document} if document.text.strip() else {}
        pieces = zip(SPLITS, cut_document(document, self.tail_bytes), strict=True)
        return {split: piece for split, piece in pieces if piece.text}


def shares(part: Path, indices: range, to: Sides, repeated: Cuts) -> Iterator[Share]:
    """All documents of a gathered part."""
    with open(part, "rb") as lines:
        for index, line in zip(indices, lines, strict=True):
            side: Side = "train" if to.train[index] else "val" if to.val[index] else "none"
            side = "both" if index == to.cut else side
            yield Share(index, side, line, repeated.of(index), to.tail_bytes)


def reduced(document: Document, ranges: Ranges, step: str) -> Document:
    """A document without these passages, the step on record in its meta."""
    if not len(ranges):
        return document
    steps = [*document.meta.get("cleaned", ()), step]
    return replace(document, text=without(document.text, ranges), meta={**document.meta, "cleaned": steps})
