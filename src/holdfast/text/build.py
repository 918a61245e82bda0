"""From raw text to a corpus: read, clean, gate, then drop copies, hold out, and write both splits.

Two passes, so that the held-out share is right in bytes although documents come one by one: the first reads and
cleans into a temporary file and remembers a few numbers of each document; the second deals the lines out.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.base.faults import DataFault, DiskFault
from holdfast.base.files import atomic_writer, fingerprint, write_json
from holdfast.base.records import Document
from holdfast.base.settings import identity
from holdfast.text import gates
from holdfast.text.clean import clean, versions
from holdfast.text.dedup import originals
from holdfast.text.ledger import MOST_SOURCES, Ledger, Refusals, Tally, measure
from holdfast.text.lines import LineFiles, consumed, document_line, json_line, read_document
from holdfast.text.meter import Meter, Progress
from holdfast.text.rejection import Rejected, preview
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import documents
from holdfast.text.split import choose, cut_document

SCHEMA = 1
MANIFEST = "manifest.json"
REJECTED = "rejected.jsonl"
SPLITS = ("train", "val")
SPOOL = ".gathered"
RULE = "whole documents, by keyed hash of their ids"
COPY = "copy of another document"
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class CorpusSummary:
    """What came out: the fingerprint of the documents and the manifest."""

    fingerprint: str
    manifest: Mapping[str, Any]

    def line(self) -> str:
        """One line for people."""
        train, val = (self.manifest["splits"][split] for split in SPLITS)
        share = val["bytes"] / (train["bytes"] + val["bytes"])
        said = (
            f"corpus: {train['documents'] + val['documents']:,} documents, {train['words'] + val['words']:,} words, "
            f"{val['documents']:,} documents held out ({share:.1%} of the text)"
        )
        rejected = self.manifest["rejected"]
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in islice(rejected.items(), 3))
        return f"{said}; left out: {reasons}{', ...' if len(rejected) > 3 else ''}" if rejected else said

    def facts(self) -> dict[str, Any]:
        """Plain data: tallies of both splits, and rejections by reason."""
        return {
            **{split: dict(self.manifest["splits"][split]) for split in SPLITS},
            "rejected": dict(self.manifest["rejected"]),
        }


def build_corpus(settings: CorpusSettings, seed: int, out: Path, progress: Progress) -> CorpusSummary:
    """Write `out/train-*.jsonl` and `out/val-*.jsonl` (id, text, meta), `out/rejected.jsonl` and, last, the manifest.

    The same files, settings and seed give the same bytes. progress(done, total): bytes of input read, packed as they
    are; the total is None for generated text. What an earlier build left in `out` is replaced.
    Raises DataFault when no text is left, or none can be held out; DiskFault when the disk fails.
    """
    with _disk_faults(out):
        out.mkdir(parents=True, exist_ok=True)
        _clear(out)
        refusals = Refusals()
        meter = Meter(progress)
        with atomic_writer(out / REJECTED) as listed:

            def refuse(rejected: Rejected) -> None:
                row = refusals.add(rejected)
                if row is not None:
                    listed.write(json_line(row))

            ledger, spool = _gather(settings, seed, out, meter, refuse)
            dealt = None if not len(ledger) else _deal(settings, ledger, spool, out, refuse)
        meter.tell()
        if dealt is None or not all(tally.documents for tally in dealt.tallies.values()):
            raise _nothing_left(refusals, dealt, out / REJECTED)
        manifest = _manifest(settings, seed, ledger, dealt, refusals)
        write_json(out / MANIFEST, manifest)
    return CorpusSummary(manifest["fingerprint"], manifest)


def _clear(out: Path) -> None:
    """The manifest goes first: without one the folder is no corpus."""
    (out / MANIFEST).unlink(missing_ok=True)
    names = [f"{split}-*.jsonl" for split in SPLITS] + [REJECTED, f"{SPOOL}-*.jsonl", ".*.jsonl.*.part"]
    for pattern in names:
        for path in out.glob(pattern):
            path.unlink()


def _gather(
    settings: CorpusSettings, seed: int, out: Path, meter: Meter, refuse: Callable[[Rejected], None]
) -> tuple[Ledger, list[Path]]:
    """First pass: every document that passes the gates, cleaned, in temporary files."""
    ledger = Ledger(seed)
    with LineFiles(out, SPOOL) as spool:
        for found in documents(settings, seed, meter):
            if isinstance(found, Rejected):
                refuse(found)
                continue
            document = replace(found, text=clean(found.text, settings.clean))
            rejected = gates.judge(document, settings)
            if rejected is not None:
                refuse(rejected)
                continue
            ledger.add(document)
            spool.add(document_line(document))
            if len(ledger) == settings.max_documents:
                break
    return ledger, spool.paths


@dataclass(slots=True)
class _Dealt:
    """Where the text went."""

    tallies: dict[str, Tally]
    sources: dict[int, dict[str, Tally]]
    files: list[dict[str, Any]]
    cut: Document | None = None


def _deal(
    settings: CorpusSettings, ledger: Ledger, spool: list[Path], out: Path, refuse: Callable[[Rejected], None]
) -> _Dealt:
    """Second pass: each line to its split, copies dropped."""
    first = originals(ledger.digests)
    kept = first == np.arange(len(first)) if settings.dedup else np.ones(len(first), bool)
    chosen = choose(ledger.keys[first][kept], ledger.sizes[kept], settings.val_fraction)
    held_out = np.zeros(len(first), bool)
    held_out[kept] = chosen.val
    cut = None if chosen.cut is None else int(np.flatnonzero(kept)[chosen.cut])
    dealt = _Dealt({split: Tally() for split in SPLITS}, defaultdict(lambda: {s: Tally() for s in SPLITS}), [])
    with ExitStack() as stack:
        files = {split: stack.enter_context(LineFiles(out, split)) for split in SPLITS}

        def put(split: str, line: bytes, index: int, counts: tuple[int, int, int]) -> None:
            files[split].add(line)
            dealt.tallies[split].add(*counts)
            dealt.sources[ledger.source(index)][split].add(*counts)

        for index, line in enumerate(consumed(spool)):
            if not kept[index]:
                document = read_document(line)
                refuse(Rejected(document.id, COPY, "", preview(document.text)))
            elif index == cut:
                dealt.cut = read_document(line)
                for split, part in zip(SPLITS, cut_document(dealt.cut, chosen.tail_bytes), strict=True):
                    if part.text:
                        put(split, document_line(part), index, measure(part.text))
            else:
                put("val" if held_out[index] else "train", line, index, ledger.counts(index))
    dealt.files = [{"split": split, **each} for split in SPLITS for each in files[split].facts()]
    return dealt


def _nothing_left(refusals: Refusals, dealt: _Dealt | None, listed: Path) -> DataFault:
    total = refusals.by_reason.total()
    if dealt is not None:
        return DataFault(
            "no text can be held out for validation: there is a single text, of one character or in copies only",
            "add more text to corpus.path",
        )
    if not total:
        return DataFault("the source holds no document", "check corpus.path")
    reason, count = refusals.by_reason.most_common(1)[0]
    return DataFault(
        f"no document is left of {total:,}; {count:,} of them: {reason} (such as {refusals.examples[reason]})",
        f"check corpus.path; the rejected texts are listed in {listed}",
    )


def _manifest(settings: CorpusSettings, seed: int, ledger: Ledger, dealt: _Dealt, refusals: Refusals) -> dict[str, Any]:
    content = [[each["split"], each["name"], each["hash"]] for each in dealt.files]
    sizes = {split: dealt.tallies[split].bytes for split in SPLITS}
    return {
        "schema": SCHEMA,
        "kind": "corpus",
        "fingerprint": fingerprint(content),
        "seed": seed,
        "splits": {split: tally.plain() for split, tally in dealt.tallies.items()},
        "held_out": {
            "rule": RULE if dealt.cut is None else f"{RULE}, and the end of the largest document",
            "wanted": settings.val_fraction,
            "reached": round(sizes["val"] / sum(sizes.values()), 6),
            "cut_document": None if dealt.cut is None else dealt.cut.id,
        },
        "rejected": refusals.plain(),
        "sources": _sources(ledger, dealt),
        "clean": versions(settings.clean),
        "settings": identity(settings),
        "files": dealt.files,
    }


def _sources(ledger: Ledger, dealt: _Dealt) -> dict[str, dict[str, int]]:
    """Documents and text by where they come from, largest first."""
    names = list(ledger.names)
    rows = {}
    for number, tallies in dealt.sources.items():
        both = {key: tallies["train"].plain()[key] + tallies["val"].plain()[key] for key in tallies["val"].plain()}
        held_out = {"val_documents": tallies["val"].documents, "val_bytes": tallies["val"].bytes}
        rows[names[number]] = both | held_out
    order = sorted(rows, key=lambda name: (-rows[name]["bytes"], name))
    found = {name: rows[name] for name in order[:MOST_SOURCES]}
    if rest := order[MOST_SOURCES:]:
        found[f"({len(rest):,} more)"] = {key: sum(rows[name][key] for name in rest) for key in rows[rest[0]]}
    return found


@contextmanager
def _disk_faults(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _DISK or isinstance(error, PermissionError | FileExistsError | NotADirectoryError):
            raise DiskFault(
                f"{out} can not be written: {os.strerror(error.errno or 0)}", "free space, or choose another folder"
            ) from None
        raise
