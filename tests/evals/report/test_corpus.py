"""The page of a corpus: complete, self-contained, and safe whatever the texts are called."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.evals.report.corpus import render_corpus

from .test_render import outline


def tally(number: int) -> dict[str, int]:
    return {"documents": number, "characters": 60 * number, "bytes": 61 * number, "words": 10 * number}


@pytest.fixture
def manifest() -> dict[str, Any]:
    held = {"val_documents": 1, "val_bytes": 61}
    leaks = {"run_words": 13, "runs": 5000, "left": 2, "cut_passages": 17}
    return {
        "seed": 7,
        "fingerprint": "abc",
        "splits": {"train": tally(95), "val": tally(5)},
        "held_out": {"reached": 0.05},
        "rejected": {"too short": 12},
        "sources": {"<script>alert(1)</script>": tally(60) | held, "b.jsonl": tally(40) | held},
        "licences": {"CC0-1.0": tally(100) | held},
        "decades": {"1750": tally(30) | held, "unknown": tally(70) | held},
        "dedup": {
            "copies": 3,
            "near_copies": 4,
            "tied_by_work": 2,
            "paragraphs": {"cut": 9, "characters": 900},
            "evaluated": {"quiz.jsonl": {"documents": 5, "passages": 6}},
            "leaks": leaks,
        },
        "clean": {"nfc": 1},
    }


def test_the_page_says_everything_and_fetches_nothing(manifest: dict[str, Any]) -> None:
    page = render_corpus(manifest)
    for said in ("1750s", "too short", "quiz.jsonl", "6 in 5 documents", "2 of 5,000", "CC0-1.0", "version 1"):
        assert said in page
    found = outline(page)
    assert not found.open
    assert "script" not in found.tags
    assert not [value for name, value in found.attributes if name in ("src", "href")]


def test_what_there_is_nothing_of_is_not_shown(manifest: dict[str, Any]) -> None:
    manifest |= {"decades": {"unknown": tally(100)}, "rejected": {}}
    manifest["dedup"] |= {"leaks": None, "evaluated": {}}
    page = render_corpus(manifest)
    assert "When it was printed" not in page
    assert "left out" in page
    assert "shared with" not in page
