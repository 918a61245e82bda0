"""`holdfast replay`: train a run again from its journal and compare every bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.base.faults import ExitCode
from holdfast.cli.runs import RunArgument, existing
from holdfast.cli.screen import AsJson, show_json


def replay(
    run_dir: RunArgument,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STEP|STAGE@STEP",
            help="Begin with this checkpoint, not with each stage's first step.",
        ),
    ] = None,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            "--work-dir", metavar="DIR", help="Where there is room for one checkpoint; by default beside the run."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train again what the run trained, following its journal, and compare each step and the final state bit for bit.

    It takes as long as the training took. The run itself is not changed. Exit code 0: all is the same, 1: it is not.
    """
    folder = existing(run_dir)
    from holdfast.stages.inspection.replay import replay as again

    found = again(folder, begin, work_dir, quiet=as_json)
    if as_json:
        show_json(found)
    else:
        for stage in found["stages"]:
            typer.echo(_line(stage))
    if not found["equal"]:
        raise typer.Exit(ExitCode.FAILED)


def _line(stage: Mapping[str, Any]) -> str:
    name, first, last = stage["stage"], stage["from_step"] + 1, stage["to_step"]
    where = f"; {stage['exactness']}, and the last bits depend on that" if stage["exactness"] else ""
    if stage["difference"] is not None:
        return f"{name}: step {stage['difference']['step']} differs: {stage['difference']['what']}{where}"
    unknown = f", {stage['steps_unknown']} of them not in the journal" if stage["steps_unknown"] else ""
    skipped = f", {stage['skipped']} batches skipped as then" if stage["skipped"] else ""
    return f"{name}: steps {first} to {last}{unknown}, model and optimizer are the same to the bit{skipped}{where}"
