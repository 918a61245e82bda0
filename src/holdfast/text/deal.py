"""The second pass: each gathered document to its side, one part at a time, without what is there twice.

    train-00000.jsonl  val-00000.jsonl    what part 0 gives to each side; a side it gives nothing to has no file
    ledger-00000.jsonl                    a row for each document of part 0, also for those that are left out
    .dealt-00000.json                     the part's record: how many documents a file holds, which it left out

Who goes where and what is cut out is decided before, so a part comes out the same whenever it is dealt.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from holdfast.base.records import Document
from holdfast.disk import fileops, parts
from holdfast.disk.files import atomic_writer
from holdfast.text.dedup.passages import Cuts
from holdfast.text.gather import part_path
from holdfast.text.ledger import Ledger, Refusals, measure
from holdfast.text.lines import document_line, json_line, read_document
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected, preview
from holdfast.text.share import Share, reduced, shares
from holdfast.text.sides import SPLITS, Sides

REPEATED = "nothing but paragraphs of other documents"
SHARED = "held out, but mostly text of the training side"
LEAKS = "shared_with_train"  # the step's name in a document's meta


@dataclass(frozen=True, slots=True)
class Orders:
    """What was decided: where each document goes, and what is cut out of it: first `repeated`, then, of what
    val gets, `leaks`."""

    to: Sides
    repeated: Cuts
    leaks: Cuts


@dataclass
class _Part:
    """What was made of one part so far.

    documents: lines by side. changed: by side, index and new measures of those that are not as they were gathered.
    cut: the document that is cut between both sides, and what each got of it.
    """

    refusals: Refusals
    documents: dict[str, int] = field(default_factory=dict)
    changed: dict[str, list[list[int]]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    cut: dict[str, Any] | None = None


class Dealing:
    """The second pass over gathered parts, begun or continued.

    records: what is on record of each dealt part: `files`, number of `documents` by side, what it `refused`, what was
             `changed`, and of the document that was `cut`, if it is in this part, its `id` and what each side got.
    """

    def __init__(self, out: Path, made_from: str) -> None:
        self.out = out
        self.made_from = made_from
        self.records: list[dict[str, Any]] = []
        while (record := parts.finished(self._record, made_from)) is not None:
            self.records.append(record)

    @property
    def names(self) -> set[str]:
        """All files of the parts that are dealt."""
        return {name for record in self.records for name in record["files"]} | {
            f".dealt-{number:05}.json" for number in range(len(self.records))
        }

    def run(self, gathered: list[int], ledger: Ledger, orders: Orders, refusals: Refusals, meter: Meter) -> None:
        """Deal the parts that are missing; `gathered`: documents in each. The text of a dealt part is removed."""
        begin = 0
        for number, documents in enumerate(gathered):
            if number == len(self.records):
                part = _Part(refusals.following())
                self.records.append(self._deal_part(range(begin, begin + documents), ledger, orders, part))
            refusals.include(self.records[number]["refused"])
            if (text := part_path(self.out, number)).exists():
                fileops.unlink(text)
            begin += documents
            meter.tell()

    def _deal_part(self, indices: range, ledger: Ledger, orders: Orders, part: _Part) -> dict[str, Any]:
        number = len(self.records)
        counts = ledger.counts[indices.start : indices.stop]
        files: dict[str, IO[bytes]] = {}
        with ExitStack() as stack, open(part_path(self.out, number, "rows"), "rb") as rows:

            def put(split: str, line: bytes) -> None:
                if split not in files:
                    files[split] = stack.enter_context(atomic_writer(self._file(split, number)))
                files[split].write(line)
                part.documents[split] = part.documents.get(split, 0) + 1

            for share in shares(part_path(self.out, number), indices, orders.to, orders.repeated):
                leaks = orders.leaks.of(share.number)
                if share.is_whole and not len(leaks):
                    said = {"side": share.side}
                    put(share.side, share.line)
                else:
                    given, said = _given(share, orders, part)
                    for split, document in given.items():
                        put(split, document_line(document))
                characters, size, words = counts[share.number - indices.start].tolist()
                said |= {"characters": characters, "bytes": size, "words": words}
                put("ledger", json_line({**json.loads(next(rows)), **said}))
        facts: dict[str, Any] = {"documents": part.documents, "refused": part.refusals.plain()}
        facts |= {"changed": part.changed, "cut": part.cut}
        paths = [self._file(split, number) for split in files]
        return parts.finish(self._record, self.made_from, paths, facts)

    def _file(self, split: str, number: int) -> Path:
        return self.out / f"{split}-{number:05}.jsonl"

    @property
    def _record(self) -> Path:
        return self.out / f".dealt-{len(self.records):05}.json"


def _given(share: Share, orders: Orders, part: _Part) -> tuple[dict[str, Document], dict[str, Any]]:
    """What the sides get of a document that is not as it was gathered, and what the ledger says of that."""
    if share.side == "none":
        copy = orders.to.why(share.number)
        _refuse(part, read_document(share.line), copy)
        return {}, {"side": None, "why": copy, "row_of_original": int(orders.to.repeats[share.number])}
    given = share.documents()
    why = None if given else REPEATED
    if "val" in given and len(leaks := orders.leaks.of(share.number)):
        given["val"] = reduced(given["val"], leaks, LEAKS)
        if not given["val"].text.strip():
            del given["val"]
            why = None if given else SHARED
    measured: dict[str, Any] = {split: measure(document.text) for split, document in given.items()}
    if share.side == "both":
        part.cut = {"id": read_document(share.line).id, **measured}
    for split in SPLITS:
        if split in given or share.side == split:
            part.changed[split].append([share.number, *measured.get(split, (0, 0, 0))])
    if why is not None:
        _refuse(part, read_document(share.line), why)
        return {}, {"side": None, "why": why}
    return given, {"side": "both" if len(given) > 1 else next(iter(given)), "given": measured}


def _refuse(part: _Part, document: Document, why: str) -> None:
    part.refusals.add(Rejected(document.id, why, "", preview(document.text)))
