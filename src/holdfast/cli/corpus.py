"""`holdfast corpus`: documents out of raw text, without a run around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.base.faults import RecipeFault
from holdfast.cli.corpus_stats import stats

app = typer.Typer(help="Make a corpus by itself.", no_args_is_help=True)


app.command("stats")(stats)


@app.callback()
def _group() -> None:
    pass


@app.command("build")
def build(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[RECIPE] SETTING=VALUE", help="Settings of the corpus, such as corpus.path=texts."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the documents.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Read, clean, deduplicate and split texts into train and val documents, as a run would."""
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise RecipeFault(f"{out} exists and is not an empty folder", "choose a new folder: nothing is overwritten")
    recipe, overrides = ("smoke", words) if "=" in words[0] else (words[0], words[1:])
    from holdfast.stages.recipe import resolve

    resolved = resolve(recipe, overrides)
    from holdfast.stages.standalone import build_corpus

    line = build_corpus(resolved.recipe, out, quiet)
    if not quiet:
        typer.echo(line)
