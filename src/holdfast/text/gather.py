"""The first pass: what passes the gates, cleaned, in numbered parts, with a few numbers of each document.

    .gathered-00000.jsonl    documents, one a line
    .gathered-00000.ledger   their entries in the ledger
    .gathered-00000.json     the part's record: sources new in it, what it rejected, and how far the source was read

The text of a part goes when it is dealt out; its ledger and record stay until the corpus is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.base.records import Document
from holdfast.disk import parts
from holdfast.disk.files import atomic_writer, write_bytes
from holdfast.text.ledger import Ledger, Refusals
from holdfast.text.lines import document_line
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.rules import Rules
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import START, Cursor, documents

PART_CHARACTERS = 64_000_000  # some seconds of work, and what a part of the corpus is as a file

Found = Iterator[tuple[Cursor, Document | Rejected]]


def text_path(out: Path, number: int) -> Path:
    """Where the documents of a gathered part lie."""
    return out / f".gathered-{number:05}.jsonl"


class Gathering:
    """The first pass over a source, begun or continued.

    ledger:   an entry for each document gathered so far.
    refusals: what was left out so far.
    parts:    how many documents each finished part holds.
    """

    def __init__(self, settings: CorpusSettings, seed: int, out: Path, made_from: str) -> None:
        self.settings = settings
        self.rules = Rules(settings)
        self.seed = seed
        self.out = out
        self.made_from = made_from
        self.ledger = Ledger(seed)
        self.refusals = Refusals()
        self.parts: list[int] = []
        self._cursor: Cursor | None = START  # None: the source is at its end

    def continue_behind(self, dealt: int) -> None:
        """Take over the parts that are whole; of the first `dealt` ones the text is not needed any more."""
        while self._cursor is not None:
            record = parts.finished(self._path("json"), self.made_from)
            if record is None or (len(self.parts) >= dealt and parts.damage(self._text, record["text"])):
                return
            self.ledger.extend(self._path("ledger").read_bytes(), record["sources"])
            self._count(record)

    @property
    def names(self) -> set[str]:
        """All files that the finished parts may have."""
        numbers = range(len(self.parts))
        return {f".gathered-{number:05}.{kind}" for number in numbers for kind in ("jsonl", "ledger", "json")}

    def run(self, meter: Meter) -> None:
        """Gather the parts that are missing."""
        if self._cursor is None:
            return
        found = documents(self.settings, self.seed, meter, self._cursor)
        while self._cursor is not None:
            self._gather_part(found)

    def _gather_part(self, found: Found) -> None:
        refusals = self.refusals.following()
        begun, known = len(self.ledger), len(self.ledger.names)
        cursor: Cursor | None = None
        characters = 0
        with atomic_writer(self._text) as file:
            for cursor, each in found:
                if isinstance(each, Rejected):
                    refusals.add(each)
                    continue
                characters += len(each.text)
                file.write(self._cleaned(each, refusals))
                if len(self.ledger) == self.settings.max_documents:
                    cursor = None
                if cursor is None or characters >= PART_CHARACTERS:
                    break
            else:
                cursor = None
        entries = self._path("ledger")
        write_bytes(entries, self.ledger.since(begun))
        facts = {
            "text": parts.contents(self._text),
            "documents": len(self.ledger) - begun,
            "sources": list(self.ledger.names)[known:],
            "refused": refusals.plain(),
            "cursor": cursor,
        }
        self._count(parts.finish(self._path("json"), self.made_from, [entries], facts))

    def _cleaned(self, found: Document, refusals: Refusals) -> bytes:
        """The line of a document that is kept, noted down in the ledger; nothing of one that is not."""
        document = self.rules.treat(found)
        if isinstance(document, Rejected):
            refusals.add(document)
            return b""
        self.ledger.add(document)
        return document_line(document)

    def _count(self, record: dict[str, Any]) -> None:
        self.refusals.include(record["refused"])
        self.parts.append(record["documents"])
        self._cursor = None if record["cursor"] is None else Cursor(*record["cursor"])

    @property
    def _text(self) -> Path:
        return text_path(self.out, len(self.parts))

    def _path(self, kind: str) -> Path:
        return self.out / f".gathered-{len(self.parts):05}.{kind}"
