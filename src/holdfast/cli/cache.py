"""`holdfast cache`: what runs keep for each other."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from holdfast.cli.screen import AsJson, show_json, show_table

app = typer.Typer(help="What runs keep for each other: corpora, vocabularies and tokens.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Everything that is kept, and how much it takes."""
    from holdfast.disk.places import cache_folder
    from holdfast.journal.metrics import words_for_bytes
    from holdfast.stages.cache import Cache

    found = Cache(cache_folder()).entries()
    if as_json:
        show_json([asdict(entry) for entry in found])
        return
    rows = [
        [
            entry.stage,
            entry.fingerprint[:8],
            words_for_bytes(entry.bytes),
            f"{datetime.fromtimestamp(entry.used):%F %R}",
        ]
        for entry in found
    ]
    show_table(("stage", "made of", "size", "last used"), rows)
    typer.echo(f"{words_for_bytes(sum(entry.bytes for entry in found))} in {cache_folder()}")


@app.command("prune")
def prune(
    keep_gb: Annotated[float, typer.Option(min=0, metavar="N", help="How much may stay.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Throw away what was not used for longest. Runs lose nothing: what they use, they have themselves."""
    from holdfast.disk.places import cache_folder
    from holdfast.journal.metrics import words_for_bytes
    from holdfast.stages.cache import Cache

    gone = Cache(cache_folder()).prune(keep_gb * 1e9)
    if as_json:
        show_json([asdict(entry) for entry in gone])
        return
    typer.echo(f"{len(gone)} thrown away, {words_for_bytes(sum(entry.bytes for entry in gone))}")
