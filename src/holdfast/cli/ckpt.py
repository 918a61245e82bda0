"""`holdfast ckpt`: the checkpoints of a run, looked at and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.base.faults import ExitCode, RecipeFault
from holdfast.cli.runs import RunArgument, existing
from holdfast.cli.screen import AsJson, show_json, show_table, size

app = typer.Typer(help="Checkpoints of a run: list, show, verify. Nothing here changes a file.", no_args_is_help=True)


@app.command("list")
def list_checkpoints(run_dir: RunArgument, as_json: AsJson = False) -> None:
    """Every committed checkpoint, oldest first, each read through and checked."""
    folder = existing(run_dir)
    from holdfast.stages.checkpoints import listing

    found = listing(folder)
    if as_json:
        show_json(found)
        return
    columns = ("stage", "step", "tags", "bytes", "verified", "healthy", "path")
    show_table(columns, [[_shown(column, each[column]) for column in columns] for each in found])


@app.command("show")
def show(
    where: Annotated[
        str, typer.Argument(metavar="RUN[:STAGE[@STEP]]", help="By default the last stage's newest checkpoint.")
    ],
    as_json: AsJson = False,
) -> None:
    """One checkpoint with the hashes of its model and of its optimizer state: equal hashes, equal state."""
    run_dir, stage, step = split(where)
    folder = existing(run_dir)
    from holdfast.stages.checkpoints import details

    found = details(folder, stage, step)
    if as_json:
        show_json(found)
    else:
        show_table(("what", "is"), [(key, _shown(key, value)) for key, value in found.items()])


@app.command("verify")
def verify(run_dir: RunArgument, as_json: AsJson = False) -> None:
    """Read every checkpoint against its hashes. Exit code 1 when one is damaged."""
    folder = existing(run_dir)
    from holdfast.stages.checkpoints import verified

    found = verified(folder)
    if as_json:
        show_json(found)
    else:
        show_table(("checkpoint", "whole", "why"), [(each["path"], _yes(each["ok"]), each["why"]) for each in found])
    if not all(each["ok"] for each in found):
        raise typer.Exit(ExitCode.FAILED)


def split(where: str) -> tuple[Path, str | None, int | None]:
    """`RUN:STAGE@STEP` in parts. A folder that exists under the whole name is taken as that."""
    if Path(where).is_dir():
        return Path(where), None, None
    run_dir, _, place = where.rpartition(":") if ":" in where else (where, "", "")
    stage, at, step = place.partition("@")
    if at and not step.isdecimal():
        raise RecipeFault(f"{step!r} is not a step", "write RUN:STAGE@STEP, such as runs/demo:pretrain@200")
    return Path(run_dir), stage or None, int(step) if step else None


def _shown(key: str, value: object) -> object:
    if key == "bytes" and isinstance(value, int):
        return size(value)
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _yes(value: bool) -> str:
    return "yes" if value else "no"
