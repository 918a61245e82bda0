"""Parts of the pipeline by themselves, without a run around them."""

from __future__ import annotations

from pathlib import Path

from holdfast.base.faults import RecipeFault
from holdfast.journal.sinks.bars import progress_bar
from holdfast.stages.corpus import write_page
from holdfast.stages.recipe import Recipe
from holdfast.text.build import build_corpus as build
from holdfast.text.build import is_free


def build_corpus(recipe: Recipe, out: Path, quiet: bool) -> str:
    """Write the recipe's corpus into `out`, as the stage would; returns one line about it. What a killed build of it
    left there is gone on with. Raises RecipeFault where something else is there, DataFault."""
    if not is_free(out, recipe.corpus, recipe.seed):
        raise RecipeFault(
            f"{out} exists and is not an unfinished corpus", "choose a new folder: nothing is overwritten"
        )
    with progress_bar("corpus", unit="B", quiet=quiet) as progress:
        summary = build(recipe.corpus, recipe.seed, out, progress)
    write_page(out)
    return summary.line()
