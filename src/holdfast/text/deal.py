"""The second pass: each gathered document to its side, copies dropped, one part at a time.

    train-00000.jsonl  val-00000.jsonl    what part 0 gives to each side; a side it gives nothing to has no file
    .dealt-00000.json                     the part's record: how many documents a file holds, which copies it left out

Who goes where depends on the whole ledger and on nothing else, so a part comes out the same whenever it is dealt.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.disk import fileops, parts
from holdfast.disk.files import atomic_writer
from holdfast.text.dedup import originals
from holdfast.text.gather import text_path
from holdfast.text.ledger import Ledger, Refusals, measure
from holdfast.text.lines import document_line, read_document
from holdfast.text.rejection import Rejected, preview
from holdfast.text.settings import CorpusSettings
from holdfast.text.split import choose, cut_document

SPLITS = ("train", "val")
COPY = "copy of another document"


@dataclass(frozen=True, slots=True)
class Sides:
    """Where each document of a ledger goes.

    val, train: (n,) bool, documents that go there whole; what goes nowhere is a copy.
    cut:        index of the document that is cut between both, if there is one. tail_bytes: how long its end should be.
    """

    train: NDArray[np.bool_]
    val: NDArray[np.bool_]
    cut: int | None
    tail_bytes: int


def sides(ledger: Ledger, settings: CorpusSettings) -> Sides:
    """Decide, from hashes and sizes alone."""
    first = originals(ledger.digests)
    kept = first == np.arange(len(first)) if settings.dedup else np.ones(len(first), bool)
    chosen = choose(ledger.keys[first][kept], ledger.counts[kept, 1], settings.val_fraction)
    val = np.zeros(len(first), bool)
    val[kept] = chosen.val
    train = kept & ~val
    cut = None if chosen.cut is None else int(np.flatnonzero(kept)[chosen.cut])
    if cut is not None:
        train[cut] = False
    return Sides(train, val, cut, chosen.tail_bytes)


class Dealing:
    """The second pass over gathered parts, begun or continued.

    records: what is on record of each dealt part: `files`, number of `documents` by side, what it `refused`, and of the
             document that was `cut`, if it is in this part, its `id` and what each side got of it.
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

    def run(self, gathered: list[int], to: Sides, refusals: Refusals) -> None:
        """Deal the parts that are missing; `gathered`: documents in each. The text of a dealt part is removed."""
        begin = 0
        for number, documents in enumerate(gathered):
            if number == len(self.records):
                self.records.append(self._deal_part(range(begin, begin + documents), to, refusals.following()))
            refusals.include(self.records[number]["refused"])
            if (text := text_path(self.out, number)).exists():
                fileops.unlink(text)
            begin += documents

    def _deal_part(self, indices: range, to: Sides, refusals: Refusals) -> dict[str, Any]:
        number = len(self.records)
        documents: dict[str, int] = {}
        files: dict[str, IO[bytes]] = {}
        cut = None
        with ExitStack() as stack, open(text_path(self.out, number), "rb") as lines:

            def put(split: str, line: bytes) -> None:
                if split not in files:
                    files[split] = stack.enter_context(atomic_writer(self._file(split, number)))
                files[split].write(line)
                documents[split] = documents.get(split, 0) + 1

            for index, line in zip(indices, lines, strict=True):
                if to.train[index]:
                    put("train", line)
                elif to.val[index]:
                    put("val", line)
                elif index == to.cut:
                    whole = read_document(line)
                    pieces = zip(SPLITS, cut_document(whole, to.tail_bytes), strict=True)
                    given = {split: piece for split, piece in pieces if piece.text}
                    for split, piece in given.items():
                        put(split, document_line(piece))
                    cut = {"id": whole.id, **{split: measure(piece.text) for split, piece in given.items()}}
                else:
                    copy = read_document(line)
                    refusals.add(Rejected(copy.id, COPY, "", preview(copy.text)))
        facts = {"documents": documents, "refused": refusals.plain(), "cut": cut}
        paths = [self._file(split, number) for split in files]
        return parts.finish(self._record, self.made_from, paths, facts)

    def _file(self, split: str, number: int) -> Path:
        return self.out / f"{split}-{number:05}.jsonl"

    @property
    def _record(self) -> Path:
        return self.out / f".dealt-{len(self.records):05}.json"
