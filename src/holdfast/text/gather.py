"""The first pass: what passes the gates, cleaned, in numbered parts, with a few numbers of each document.

    .gathered-00000.jsonl        documents, one a line
    .gathered-00000.ledger       their entries in the ledger
    .gathered-00000.rows         what the ledger of the finished corpus will say of them, one a line
    .gathered-00000.sketches     their sketches, when near copies are looked for
    .gathered-00000.paragraphs   their longer paragraphs, when these are compared
    .gathered-00000.json         the part's record: names new in it, what it rejected, and how far the source was read

The text of a part goes when it is dealt out; the others stay until the corpus is whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from holdfast.base.records import Document
from holdfast.disk import parts
from holdfast.disk.files import atomic_writer, write_bytes
from holdfast.text.crew import Crew
from holdfast.text.dedup.decontaminate import evaluations
from holdfast.text.ledger import Ledger, Refusals
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import START, Cursor, documents
from holdfast.text.treat import Treated, Treatment, size

PART_CHARACTERS = 64_000_000  # some seconds of work, and what a part of the corpus is as a file

Found = Iterator[tuple[tuple[Cursor, Document | Rejected], Treated | Rejected]]


def part_path(out: Path, number: int, kind: str = "jsonl") -> Path:
    """Where something of a gathered part lies; without a kind, its documents."""
    return out / f".gathered-{number:05}.{kind}"


class Gathering:
    """The first pass over a source, begun or continued.

    ledger:    an entry for each document gathered so far.
    refusals:  what was left out so far.
    parts:     how many documents each finished part holds.
    evaluated: documents and passages that evaluation files share, as "documents" and "passages" by file.
    """

    def __init__(self, settings: CorpusSettings, seed: int, out: Path, made_from: str) -> None:
        self.settings = settings
        self.seed = seed
        self.out = out
        self.made_from = made_from
        self.ledger = Ledger()
        self.refusals = Refusals()
        self.parts: list[int] = []
        self.evaluated: dict[str, Counter[str]] = {}
        self._cursor: Cursor | None = START  # None: the source is at its end

    def continue_behind(self, dealt: int) -> None:
        """Take over the parts that are whole; of the first `dealt` ones the text is not needed any more."""
        while self._cursor is not None:
            record = parts.finished(self._path("json"), self.made_from)
            if record is None or (len(self.parts) >= dealt and parts.damage(self._path("jsonl"), record["text"])):
                return
            self.ledger.extend(self._path("ledger").read_bytes(), record["sources"], record["licences"])
            self._count(record)

    @property
    def names(self) -> set[str]:
        """All files that the finished parts may have."""
        numbers = range(len(self.parts))
        kinds = ("jsonl", "ledger", "rows", "sketches", "paragraphs", "json")
        return {part_path(self.out, number, kind).name for number in numbers for kind in kinds}

    def paths(self, kind: str) -> list[Path]:
        """Where that kind of file of each finished part lies."""
        return [part_path(self.out, number, kind) for number in range(len(self.parts))]

    def run(self, crew: Crew, meter: Meter) -> None:
        """Gather the parts that are missing."""
        if self._cursor is None:
            return
        treatment = Treatment(self.settings, self.seed, evaluations(self.settings.dedup.decontaminate))
        found = documents(self.settings, self.seed, meter, self._cursor)
        treated = crew.spread(treatment, found, size)
        with closing(treated):
            while self._cursor is not None:
                self._gather_part(treated)

    def _gather_part(self, found: Found) -> None:
        refusals, evaluated = self.refusals.following(), dict[str, Counter[str]]()
        begun, known, licences = len(self.ledger), len(self.ledger.names), len(self.ledger.licences)
        beside: dict[str, bytearray] = {kind: bytearray() for kind in self._kinds()}
        cursor: Cursor | None = None
        characters = 0
        with atomic_writer(self._path("jsonl")) as file:
            for place, each in found:
                cursor = place[0]
                characters += size(place)
                if isinstance(each, Rejected):
                    refusals.add(each)
                else:
                    file.write(each.line)
                    self._note(each, beside, evaluated)
                    if len(self.ledger) == self.settings.max_documents:
                        cursor = None
                if cursor is None or characters >= PART_CHARACTERS:
                    break
            else:
                cursor = None
        for kind, data in beside.items():
            write_bytes(self._path(kind), bytes(data))
        write_bytes(self._path("ledger"), self.ledger.since(begun))
        facts = {
            "text": parts.contents(self._path("jsonl")),
            "documents": len(self.ledger) - begun,
            "sources": list(self.ledger.names)[known:],
            "licences": list(self.ledger.licences)[licences:],
            "refused": refusals.plain(),
            "evaluated": evaluated,
            "cursor": cursor,
        }
        paths = [self._path(kind) for kind in ("ledger", *beside)]
        self._count(parts.finish(self._path("json"), self.made_from, paths, facts))

    def _kinds(self) -> list[str]:
        """What is written beside documents and entries."""
        dedup = self.settings.dedup
        wanted = {"rows": True, "sketches": dedup.documents == "near", "paragraphs": dedup.paragraphs != "off"}
        return [kind for kind, asked in wanted.items() if asked]

    def _note(self, each: Treated, beside: dict[str, bytearray], evaluated: dict[str, Counter[str]]) -> None:
        beside["rows"] += each.row
        if "sketches" in beside:
            beside["sketches"] += each.sketch
        if each.paragraphs is not None:
            beside["paragraphs"] += each.paragraphs.rows(len(self.ledger))
        for name, passages in each.evaluated.items():
            evaluated.setdefault(name, Counter()).update(documents=1, passages=passages)
        self.ledger.add(each.entry)

    def _count(self, record: dict[str, Any]) -> None:
        self.refusals.include(record["refused"])
        for name, counts in record["evaluated"].items():
            self.evaluated.setdefault(name, Counter()).update(counts)
        self.parts.append(record["documents"])
        self._cursor = None if record["cursor"] is None else Cursor(*record["cursor"])

    def _path(self, kind: str) -> Path:
        return part_path(self.out, len(self.parts), kind)
