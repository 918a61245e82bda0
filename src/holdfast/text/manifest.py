"""What a corpus says of itself, in the file that is written last: without a manifest a folder is no corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.base.faults import DataFault
from holdfast.base.settings import identity
from holdfast.disk import parts
from holdfast.disk.files import fingerprint, read_json
from holdfast.text.deal import SPLITS, Sides
from holdfast.text.ledger import MOST_SOURCES, Ledger, Tally
from holdfast.text.rules import versions
from holdfast.text.settings import CorpusSettings
from holdfast.text.sources import source_fingerprint

SCHEMA = 2
MANIFEST = "manifest.json"
RULE = "whole documents, by keyed hash of their ids"


def origin(settings: CorpusSettings, seed: int) -> str:
    """A hash of all that decides what is in a corpus: settings, seed, the code's versions and the texts themselves.

    Raises DataFault when the texts can not be read at all.
    """
    sources = source_fingerprint(settings)
    rules = versions(settings)
    return fingerprint({"schema": SCHEMA, "seed": seed, "settings": identity(settings), "rules": rules, "in": sources})


def describe(
    settings: CorpusSettings,
    seed: int,
    made_from: str,
    ledger: Ledger,
    to: Sides,
    dealt: Sequence[Mapping[str, Any]],
    rejected: Mapping[str, int],
) -> dict[str, Any]:
    """The manifest of a corpus whose parts are dealt; `dealt`: their records."""
    files = _files(dealt)
    cut = next((record["cut"] for record in dealt if record["cut"]), None)
    by_source = _tallies(ledger, to, cut)
    total = {split: sum(tallies, Tally()) for split, tallies in by_source.items()}
    both = total["train"].bytes + total["val"].bytes
    return {
        "schema": SCHEMA,
        "kind": "corpus",
        "fingerprint": fingerprint([[each["split"], each["name"], each["chunks"]] for each in files]),
        "made_from": made_from,
        "seed": seed,
        "splits": {split: tally.plain() for split, tally in total.items()},
        "held_out": {
            "rule": RULE if cut is None else f"{RULE}, and the end of the largest document",
            "wanted": settings.val_fraction,
            "reached": round(total["val"].bytes / both, 6) if both else 0.0,
            "cut_document": None if cut is None else cut["id"],
        },
        "rejected": dict(rejected),
        "sources": _sources(list(ledger.names), by_source),
        **versions(settings),
        "settings": identity(settings),
        "files": files,
    }


def _files(dealt: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Side, name, documents, bytes and hashes of each file: all of train, then all of val."""
    found = []
    for split in SPLITS:
        for record in dealt:
            for name, facts in record["files"].items():
                if name.startswith(f"{split}-"):
                    found.append({"split": split, "name": name, "documents": record["documents"][split], **facts})
    return found


def _tallies(ledger: Ledger, to: Sides, cut: Mapping[str, Any] | None) -> dict[str, list[Tally]]:
    """How much text each side got, by number of the source."""
    sources, counts = ledger.sources, ledger.counts
    found = {}
    for split, chosen in zip(SPLITS, (to.train, to.val), strict=True):
        weights = (None, *counts[chosen].T)  # documents count 1 each, the rest is exact below 2^53
        columns = [np.bincount(sources[chosen], each, len(ledger.names)) for each in weights]
        found[split] = [Tally(*map(int, row)) for row in zip(*columns, strict=True)]
        if cut is not None and split in cut:
            found[split][sources[to.cut]] += Tally(1, *cut[split])
    return found


def _sources(names: Sequence[str], by_source: Mapping[str, Sequence[Tally]]) -> dict[str, dict[str, int]]:
    """Documents and text by where they come from, largest first."""
    rows = {}
    for name, train, val in zip(names, by_source["train"], by_source["val"], strict=True):
        if (train + val).documents:
            rows[name] = (train + val).plain() | {"val_documents": val.documents, "val_bytes": val.bytes}
    order = sorted(rows, key=lambda name: (-rows[name]["bytes"], name))
    found = {name: rows[name] for name in order[:MOST_SOURCES]}
    if rest := order[MOST_SOURCES:]:
        found[f"({len(rest):,} more)"] = {key: sum(rows[name][key] for name in rest) for key in rows[rest[0]]}
    return found


def finished(corpus: Path, made_from: str) -> dict[str, Any] | None:
    """The manifest of a corpus that was made from the same and is whole, else None. Raises OSError."""
    try:
        manifest = parts.unseal(corpus / MANIFEST)
    except (FileNotFoundError, ValueError):
        return None
    if manifest.get("made_from") != made_from:
        return None
    return manifest if all(parts.damage(corpus / each["name"], each) is None for each in manifest["files"]) else None


def read_manifest(corpus: Path) -> dict[str, Any]:
    """What a corpus folder says of itself. Raises DataFault when it is not there, unreadable, or of another schema."""
    path = corpus / MANIFEST
    try:
        version = read_json(path)
        if not isinstance(version, dict) or version.get("schema") != SCHEMA:
            raise DataFault(f"{path} is not a corpus of this version", "build the corpus again")
        return parts.unseal(path)
    except FileNotFoundError:
        raise DataFault(f"{corpus} holds no corpus: its {MANIFEST} is missing", "build the corpus first") from None
    except (OSError, ValueError) as error:
        raise DataFault(f"{path} is damaged: {error}", "delete the corpus folder and build it again") from None
