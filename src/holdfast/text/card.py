"""The dataset card of a corpus: Markdown under a YAML head, in the form that the Hugging Face Hub reads.

The head's keys are those of the Hub's dataset card metadata: https://huggingface.co/docs/hub/datasets-cards
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from holdfast.text.ledger import UNKNOWN

CARD = "README.md"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_HUB = {"CC0 1.0": "cc0-1.0", "CC0-1.0": "cc0-1.0", "CC BY 4.0": "cc-by-4.0", "CC-BY-4.0": "cc-by-4.0"}


def card(manifest: Mapping[str, Any]) -> str:
    """The card of a corpus with this manifest."""
    splits = manifest["splits"]
    documents = sum(tally["documents"] for tally in splits.values())
    head = {
        "pretty_name": "Corpus built with Holdfast",
        "task_categories": ["text-generation"],
        "license": _licence(list(manifest["licences"])),
        "size_categories": [next((name for most, name in _SIZES if documents < most), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": _split(name), "path": f"{name}-*.jsonl"} for name in splits],
            }
        ],
    }
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        "# Corpus",
        f"{documents:,} documents, made of the sources below with seed {manifest['seed']}; fingerprint "
        f"`{manifest['fingerprint']}`. Each line of `train-*.jsonl` and `val-*.jsonl` is a document: `id`, `text`, "
        "`meta`. Each line of `ledger-*.jsonl` says of a document where it is from, its licence, the hash of its text, "
        "which steps changed it, and which side it went to.",
        _table(("side", "documents", "words", "characters", "bytes"), _tallies(splits)),
        "## Sources",
        _table(("source", "documents", "words", "characters", "bytes"), _tallies(manifest["sources"])),
        "## Licences",
        _table(("licence", "documents", "words", "characters", "bytes"), _tallies(manifest["licences"])),
        _warning(list(manifest["licences"])),
        *_decades(manifest["decades"]),
        "## How it was made",
        "\n".join(f"- {line}" for line in _steps(manifest)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _split(name: str) -> str:
    return {"val": "validation"}.get(name, name)


def _licence(names: Sequence[str]) -> str:
    """The Hub's word for the licence if all text has one that it knows."""
    found = {_HUB.get(name, "other" if name != UNKNOWN else UNKNOWN) for name in names}
    return found.pop() if len(found) == 1 else "other"


def _warning(names: Sequence[str]) -> str:
    return (
        "" if UNKNOWN not in names else "Of some of the text the licence is not known: find out before you pass it on."
    )


def _tallies(rows: Mapping[str, Mapping[str, int]]) -> Iterator[list[str]]:
    for name, row in rows.items():
        yield [name, *(f"{row[key]:,}" for key in ("documents", "words", "characters", "bytes"))]


def _table(head: Sequence[str], rows: Iterator[list[str]]) -> str:
    lines = [list(head), ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def _decades(decades: Mapping[str, Mapping[str, int]]) -> Sequence[str]:
    if list(decades) in ([], [UNKNOWN]):
        return ()
    rows = ([name if name == UNKNOWN else f"{name}s", *row] for name, *row in _tallies(decades))
    return ("## Decades", _table(("decade", "documents", "words", "characters", "bytes"), rows))


def _steps(manifest: Mapping[str, Any]) -> Iterator[str]:
    found, held = manifest["dedup"], manifest["held_out"]
    yield f"Cleaned by: {', '.join(manifest['clean']) or 'nothing'}."
    if manifest["rejected"]:
        yield "Left out: " + ", ".join(f"{count:,} {reason}" for reason, count in manifest["rejected"].items()) + "."
    yield f"Copies left out: {found['copies']:,} equal, {found['near_copies']:,} nearly equal."
    if found["paragraphs"]["cut"]:
        yield f"Paragraphs that an earlier document has: {found['paragraphs']['cut']:,} cut out."
    for name, counts in found["evaluated"].items():
        yield f"Passages shared with {name}: {counts['passages']:,} in {counts['documents']:,} documents, cut out."
    yield f"Held out: {held['reached']:.1%} of the text, by {held['rule']}; editions of one work are on one side."
    if (leaks := found["leaks"]) is not None:
        yield (
            f"Runs of {leaks['run_words']} words that are in both sides: {leaks['left']:,} of {leaks['runs']:,} that "
            f"were looked up; {leaks['cut_passages']:,} passages were cut out of the held-out side."
        )
