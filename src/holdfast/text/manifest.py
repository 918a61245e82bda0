"""What a corpus says of itself, in the file that is written last: without a manifest a folder is no corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.base.faults import DataFault
from holdfast.base.settings import identity
from holdfast.disk import parts
from holdfast.disk.files import fingerprint, read_json
from holdfast.text import stats
from holdfast.text.dedup.decontaminate import SETTING
from holdfast.text.ledger import Ledger
from holdfast.text.rules import versions
from holdfast.text.settings import CorpusSettings
from holdfast.text.sides import SPLITS, Sides
from holdfast.text.sources import content_fingerprint, source_fingerprint

SCHEMA = 3
MANIFEST = "manifest.json"
RULE = "whole documents, by keyed hash of their ids"


def origin(settings: CorpusSettings, seed: int) -> str:
    """A hash of all that decides what is in a corpus: settings, seed, the code's versions, the texts themselves, and
    the evaluation files that they are compared with.

    Raises DataFault when the texts can not be read at all.
    """
    sources = source_fingerprint(settings)
    against = settings.dedup.decontaminate
    evaluated = content_fingerprint(against, SETTING) if against else None
    said = {"schema": SCHEMA, "seed": seed, "settings": identity(settings), "rules": versions(settings), "in": sources}
    return fingerprint(said | {"evaluated": evaluated})


def describe(
    settings: CorpusSettings,
    seed: int,
    made_from: str,
    ledger: Ledger,
    to: Sides,
    dealt: Sequence[Mapping[str, Any]],
    rejected: Mapping[str, int],
    dedup: Mapping[str, Any],
) -> dict[str, Any]:
    """The manifest of a corpus whose parts are dealt; `dealt`: their records, `dedup`: what was found twice."""
    files = _files(dealt, SPLITS)
    cut = next((record["cut"] for record in dealt if record["cut"]), None)
    given = {split: stats.given(ledger, getattr(to, split), dealt, split) for split in SPLITS}
    total = {split: stats.total(each) for split, each in given.items()}
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
        "dedup": dict(dedup),
        "sources": stats.by_name(list(ledger.names), ledger.sources, given),
        "licences": stats.by_name(list(ledger.licences), ledger.licensed, given),
        "decades": stats.by_decade(ledger.years, given),
        **versions(settings),
        "settings": identity(settings),
        "files": files,
        "ledger": _files(dealt, ("ledger",)),
    }


def _files(dealt: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Side, name, documents, bytes and hashes of each file: all of train, then all of val."""
    found = []
    for kind in kinds:
        for record in dealt:
            for name, facts in record["files"].items():
                if name.startswith(f"{kind}-"):
                    found.append({"split": kind, "name": name, "documents": record["documents"][kind], **facts})
    return found


def finished(corpus: Path, made_from: str) -> dict[str, Any] | None:
    """The manifest of a corpus that was made from the same and is whole, else None. Raises OSError."""
    try:
        manifest = parts.unseal(corpus / MANIFEST)
    except (FileNotFoundError, ValueError):
        return None
    if manifest.get("made_from") != made_from:
        return None
    files = [*manifest["files"], *manifest["ledger"]]
    return manifest if all(parts.damage(corpus / each["name"], each) is None for each in files) else None


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
