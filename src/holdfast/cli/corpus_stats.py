"""`holdfast corpus stats`: how much text a corpus has, of what, and what became of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.screen import AsJson, show_json, show_table

CorpusPath = Annotated[Path, typer.Argument(metavar="RUN|DIR", help="Folder of a run, or of a corpus.")]
COLUMNS = ("documents", "words", "characters", "bytes")


def stats(path: CorpusPath, as_json: AsJson = False) -> None:
    """Documents, words, characters and bytes by side, source, licence and decade, and what was left out."""
    from holdfast.stages.corpus import statistics

    found = statistics(path)
    if as_json:
        show_json(found)
        return
    for title, key in (("side", "splits"), ("source", "sources"), ("licence", "licences"), ("decade", "decades")):
        rows: Mapping[str, Mapping[str, Any]] = found[key]
        show_table((title, *COLUMNS), [[name, *(row[column] for column in COLUMNS)] for name, row in rows.items()])
    if found["rejected"]:
        show_table(("left out", "documents"), [list(each) for each in found["rejected"].items()])
    show_table(("twice", "count"), list(_twice(found["dedup"])))
    if "tokens" in found:
        show_table(("tokens", "count"), [list(each) for each in found["tokens"].items()])


def _twice(found: Mapping[str, Any]) -> list[list[Any]]:
    rows = [[name.replace("_", " "), found[name]] for name in ("copies", "near_copies", "tied_by_work")]
    rows.append(["repeated paragraphs", found["paragraphs"]["cut"]])
    rows += [[f"passages of {name}", counts["passages"]] for name, counts in found["evaluated"].items()]
    if (leaks := found["leaks"]) is not None:
        rows.append(["held-out passages cut, as train has them", leaks["cut_passages"]])
        rows.append([f"runs of {leaks['run_words']} words in both sides", leaks["left"]])
    return rows
