"""From raw text to a corpus: read, clean, gate, then drop copies, hold out, and write both sides.

    gather     reads and cleans into parts, and remembers a few numbers of each document
    sides      decides from these numbers what is a copy and what is held out
    leakage    looks held-out text up in training text, and says what to cut
    deal       gives each part's documents to their sides

So the held-out share is right in bytes although documents come one by one. Each of them finishes part by part: a build
that was killed goes on behind the last part that is whole, and the same bytes come out.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault, DiskFault
from holdfast.disk import fileops, parts
from holdfast.disk.files import write_bytes, write_text
from holdfast.text.card import CARD, card
from holdfast.text.crew import Crew, enough
from holdfast.text.deal import Dealing, Orders
from holdfast.text.dedup.near import Sketches
from holdfast.text.dedup.paragraphs import repeated
from holdfast.text.dedup.passages import NO_CUTS, Cuts
from holdfast.text.gather import Gathering
from holdfast.text.leakage import Leakage
from holdfast.text.ledger import Refusals
from holdfast.text.lines import json_line
from holdfast.text.manifest import MANIFEST, describe, finished, origin
from holdfast.text.meter import Meter, Progress
from holdfast.text.settings import CorpusSettings
from holdfast.text.sides import SPLITS, Sides, sides

REJECTED = "rejected.jsonl"
_OURS = (
    r"(train|val|ledger)-\d{5}\.jsonl|\.gathered-\d{5}\.(jsonl|ledger|rows|sketches|paragraphs|json)"
    r"|\.looked-\d{5}\.(json|found)|\.leaks\.(json|cuts)|\.heldout\.hashes|\.dealt-\d{5}\.json"
)
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


def is_free(out: Path, settings: CorpusSettings, seed: int) -> bool:
    """Whether a build into `out` takes nothing away: nothing is there, or what a killed build left, or what a build of
    the same has finished. Raises DataFault when the texts can not be read at all."""
    if not out.is_dir():
        return not os.path.lexists(out)
    left = [path.name for path in fileops.entries(out)]
    if MANIFEST in left:
        return finished(out, origin(settings, seed)) is not None
    ours = re.compile(rf"{_OURS}|{re.escape(REJECTED)}|{re.escape(CARD)}")
    return all(ours.fullmatch(name) or parts.is_half_written(name) for name in left)


def build_corpus(settings: CorpusSettings, seed: int, out: Path, progress: Progress) -> CorpusSummary:
    """Write `out/train-*.jsonl` and `out/val-*.jsonl` (id, text, meta), `out/ledger-*.jsonl` (what is known of each
    document), `out/rejected.jsonl`, a dataset card and, last, the manifest.

    The same files, settings and seed give the same bytes, however often the build was killed on the way: what it had
    finished is verified and kept. What a build of anything else left in `out` is replaced.
    progress(done, total): bytes of input read, packed as they are; the total is None for generated text.
    Raises DataFault when no text is left, or none can be held out; DiskFault when the disk fails.
    """
    with _disk_faults(out):
        made_from = origin(settings, seed)
        fileops.make_directory(out)
        with Crew(settings.workers or enough()) as crew:
            manifest = finished(out, made_from) or _build(settings, seed, out, made_from, crew, Meter(progress))
        parts.sweep(out, _OURS, [each["name"] for each in (*manifest["files"], *manifest["ledger"])])
    return CorpusSummary(manifest["fingerprint"], manifest)


def _build(settings: CorpusSettings, seed: int, out: Path, made_from: str, crew: Crew, meter: Meter) -> dict[str, Any]:
    if (out / MANIFEST).exists():
        fileops.unlink(out / MANIFEST)
    dealing = Dealing(out, made_from)
    leakage = Leakage(settings, out, made_from)
    if leakage.is_open:
        dealing.records.clear()  # what was dealt without knowing of leaks is dealt again
    gathering = Gathering(settings, seed, out, made_from)
    gathering.continue_behind(len(dealing.records))
    parts.sweep(out, _OURS, dealing.names | gathering.names | leakage.names)
    gathering.run(crew, meter)
    ledger, refusals = gathering.ledger, gathering.refusals
    to = sides(ledger, settings, Sketches(gathering.paths("sketches")) if settings.dedup.documents == "near" else None)
    repeats = Cuts(repeated(gathering.paths("paragraphs"), to.kept)) if settings.dedup.paragraphs != "off" else NO_CUTS
    leakage.run(gathering.parts, to, repeats, crew, meter)
    dealing.run(gathering.parts, ledger, Orders(to, repeats, leakage.cuts), refusals, meter)
    write_bytes(out / REJECTED, b"".join(map(json_line, refusals.rows)))
    found = _found_twice(to, repeats, gathering, leakage)
    manifest = describe(settings, seed, made_from, ledger, to, dealing.records, refusals.counted(), found)
    if not all(manifest["splits"][split]["documents"] for split in SPLITS):
        raise _nothing_left(refusals, len(ledger), out / REJECTED)
    write_text(out / CARD, card(manifest))
    parts.seal(out / MANIFEST, manifest)
    return manifest


def _found_twice(to: Sides, repeats: Cuts, gathering: Gathering, leakage: Leakage) -> dict[str, Any]:
    """What was there more than once, for the manifest."""
    characters = int((repeats.rows[:, 2] - repeats.rows[:, 1]).sum())
    return {
        "copies": int((~to.kept & to.copies).sum()),
        "near_copies": int((~to.kept & ~to.copies).sum()),
        "tied_by_work": to.tied,
        "paragraphs": {"cut": len(repeats.rows), "characters": characters},
        "evaluated": {name: dict(sorted(counts.items())) for name, counts in sorted(gathering.evaluated.items())},
        "leaks": leakage.facts,
    }


def _nothing_left(refusals: Refusals, gathered: int, listed: Path) -> DataFault:
    total = refusals.by_reason.total()
    if gathered:
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
