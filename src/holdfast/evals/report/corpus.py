"""The page of a corpus: how much text of what, and what became of the rest. One self-contained file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from holdfast.evals.report.facts import Record
from holdfast.evals.report.figures import compact
from holdfast.evals.report.page import pages
from holdfast.evals.report.summary import Table, Tile, words

_COLUMNS = ("documents", "words", "characters", "bytes", "val_documents", "val_bytes")


class Share(NamedTuple):
    """One row of a chart of bars. width: percent of the longest."""

    name: str
    said: str
    width: float


def render_corpus(manifest: Record) -> str:
    """A corpus manifest as one HTML page: no script, no request to anywhere; names out of the texts are escaped."""
    decades = {name if name == "unknown" else f"{name}s": row for name, row in manifest["decades"].items()}
    return (
        pages()
        .get_template("corpus.html.j2")
        .render(
            manifest=manifest,
            tiles=_tiles(manifest),
            sources=_bars(manifest["sources"]),
            decades=_bars(decades) if len(decades) > 1 else [],
            tables=[
                _table("sides", manifest["splits"]),
                *(_table(key, manifest[key]) for key in ("sources", "licences")),
            ],
            left_out=Table("left out", (), [(why, f"{count:,}") for why, count in manifest["rejected"].items()]),
            twice=Table("text that is there twice", (), list(_twice(manifest["dedup"]))),
            steps=Table("cleaning", (), [(name, f"version {version}") for name, version in manifest["clean"].items()]),
        )
    )


def _tiles(manifest: Record) -> list[Tile]:
    train, val = manifest["splits"]["train"], manifest["splits"]["val"]
    held, size = manifest["held_out"]["reached"], train["bytes"] + val["bytes"]
    return [
        Tile(compact(train["documents"] + val["documents"]), "documents", f"{val['documents']:,} held out"),
        Tile(compact(train["words"] + val["words"]), "words", "between white space"),
        Tile(compact(train["characters"] + val["characters"]), "characters", f"in {compact(size)} bytes"),
        Tile(f"{held:.1%}", "held out", "of the bytes"),
        Tile(compact(sum(manifest["rejected"].values())), "left out", "each with its reason"),
    ]


def _bars(rows: Mapping[str, Record]) -> list[Share]:
    most = max(row["words"] for row in rows.values())
    return [
        Share(name, f"{compact(row['words'])} words in {row['documents']:,}", round(100 * row["words"] / most, 1))
        for name, row in rows.items()
    ]


def _table(title: str, rows: Mapping[str, Record]) -> Table:
    columns = [column for column in _COLUMNS if any(column in row for row in rows.values())]
    body = [(name, *(f"{row[column]:,}" for column in columns)) for name, row in rows.items()]
    return Table(title, [words(column) for column in columns], body)


def _twice(found: Record) -> Iterator[tuple[str, str]]:
    yield "equal copies left out", f"{found['copies']:,}"
    yield "near copies left out", f"{found['near_copies']:,}"
    yield "documents kept on one side with another edition", f"{found['tied_by_work']:,}"
    yield "repeated paragraphs cut out", f"{found['paragraphs']['cut']:,}"
    for name, counts in found["evaluated"].items():
        yield f"passages shared with {name}", f"{counts['passages']:,} in {counts['documents']:,} documents"
    if (leaks := found["leaks"]) is not None:
        yield "held-out passages cut out, as train has them", f"{leaks['cut_passages']:,}"
        left = f"{leaks['left']:,} of {leaks['runs']:,}"
        yield f"runs of {leaks['run_words']} held-out words that train has", left
