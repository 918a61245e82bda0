"""`holdfast report`: write the report of a run again."""

from __future__ import annotations

import typer

from holdfast.cli.crash import log_crashes_in
from holdfast.cli.runs import RunArgument, existing


def report(run_dir: RunArgument) -> None:
    """Write report.html and report.json from what the run has on disk, finished or not."""
    folder = existing(run_dir)
    from holdfast.stages.report import write

    log_crashes_in(folder)
    typer.echo(f"report: {write(folder)}")
