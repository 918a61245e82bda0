"""`holdfast run`: the whole pipeline, or what is left of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from holdfast.cli.crash import log_crashes_in
from holdfast.cli.runs import Overrides, RunDir, opened


class Resume(StrEnum):
    """What to go on from when there is something."""

    AUTO = "auto"


def run(
    source: Annotated[
        str, typer.Argument(metavar="RECIPE|RUN", help="A recipe file, a shipped recipe, or the folder of a run.")
    ],
    overrides: Overrides = None,
    run_dir: RunDir = None,
    resume: Annotated[
        Resume, typer.Option(help="auto: from the newest checkpoint that verifies, else from the start.")
    ] = Resume.AUTO,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Run a recipe from raw text to report. Run again to continue: finished stages are not repeated.

    Everything lands in runs/NAME or --run-dir. Exit code 75 means stopped cleanly: the same command goes on.
    """
    resolved, folder = opened(source, overrides, run_dir)
    from holdfast.stages import pipeline

    log_crashes_in(folder)
    worked = pipeline.run(resolved, folder, until=until, quiet=quiet)
    if quiet:
        return
    if not worked:
        typer.echo(f"nothing to do: every stage of {folder} is done")
    if until is None:
        typer.echo(f"report: {folder / 'report.html'}")
        if resolved.recipe.sft.enabled:
            typer.echo(f"talk to it: holdfast chat {folder}")
