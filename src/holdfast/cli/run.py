"""`holdfast run`: the whole pipeline, or what is left of it."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.crash import log_crashes_in
from holdfast.cli.runs import Overrides, RunDir, listening_later, opened


def run(
    source: Annotated[
        str, typer.Argument(metavar="RECIPE|RUN", help="A recipe file, a shipped recipe, or the folder of a run.")
    ],
    overrides: Overrides = None,
    run_dir: RunDir = None,
    resume: Annotated[
        str,
        typer.Option(
            metavar="auto|latest|best|STEP|STAGE@STEP|PATH",
            help="What to go on from. auto: the newest checkpoint that verifies, or the start; latest: the same, and "
            "an error if there is none; best: the one with the best validation; STEP: that of the stage at work, or of "
            "the last one that has it; PATH: the folder of a checkpoint, of another run too.",
        ),
    ] = "auto",
    allow_change: Annotated[
        bool,
        typer.Option(
            "--allow-change",
            help="Go on training where the optimizer's settings, the schedule, the length or the batch size changed.",
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Begin half-done stages anew; what they had is kept in the run's superseded/."),
    ] = False,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    no_plan: Annotated[
        bool, typer.Option("--no-plan", help="Begin without finding out first what is in the way: disk, memory, data.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Run a recipe from raw text to report. Run again to continue: finished stages are not repeated.

    Everything lands in runs/NAME or --run-dir. What is in the way of it is told first, all at once, with exit code 3:
    missing text, too little memory or disk, a GPU that is not there; `holdfast plan` says more. Exit code 75 means
    stopped cleanly: the same command goes on. A finished stage whose settings changed is made anew; a half-done one is
    left alone without --allow-change or --fresh.
    """
    with listening_later():
        resolved, folder = opened(source, overrides, run_dir)
        from holdfast.launch.processes import divided

        with divided(resolved.recipe, folder) as started:  # so that all load what follows at the same time
            from holdfast.stages import pipeline
            from holdfast.stages.resuming.choice import Wish

            log_crashes_in(folder)
            wish = Wish(resume, allow_change, fresh)
            worked = pipeline.run(
                resolved, folder, until=until, quiet=quiet, wish=wish, examine=not no_plan, started=started
            )
    if quiet:
        return
    if not worked:
        typer.echo(f"nothing to do: every stage of {folder} is done")
    if until is None:
        typer.echo(f"report: {folder / 'report.html'}")
        if resolved.recipe.sft.enabled:
            typer.echo(f"talk to it: holdfast chat {folder}")
