"""Parts of the pipeline by themselves, without a run around them."""

from __future__ import annotations

from pathlib import Path

from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.corpus import write_page
from holdfast.stages.recipe import Recipe
from holdfast.text.build import build_corpus as build


def build_corpus(recipe: Recipe, out: Path, quiet: bool) -> str:
    """Write the recipe's corpus into `out`, as the stage would; returns one line about it. Raises DataFault."""
    with progress_bar("corpus", unit="B", quiet=quiet) as progress:
        summary = build(recipe.corpus, recipe.seed, out, progress)
    write_page(out)
    return summary.line()
