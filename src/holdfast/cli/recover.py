"""`holdfast recover`: what a run that ended too early still has, and how to go on with it."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import typer

from holdfast.cli.runs import RunArgument, existing
from holdfast.cli.screen import AsJson, harmless, minutes, show_json, show_table


def recover(run_dir: RunArgument, as_json: AsJson = False) -> None:
    """Say what a run that ended too early still has, what broke, what is lost, and the exact command to go on.

    Every checkpoint is read through and checked. Nothing is changed, so it is safe at any time.
    """
    folder = existing(run_dir)
    from holdfast.stages.inspection.recovery import recover as report

    found = report(folder)
    arguments = found.pop("arguments")
    found["command"] = None if arguments is None else shlex.join([*_program(), *arguments])
    if as_json:
        show_json(found)
        return
    typer.echo(f"{folder}: {found['state']}{' in ' + found['stage'] if found['stage'] else ''}")
    show_table(("stage", "status", "steps", "last good checkpoint", "lost"), [_row(each) for each in found["stages"]])
    for each in found["stages"]:
        for damaged in each["damaged"]:
            typer.echo(harmless(f"damaged: {damaged['path']}: {damaged['why']}"))
    for each in found["broke"]:
        typer.echo(harmless(f"{each['time'] or '-'} {each['stage'] or 'run'} {each['what']}: {each['text']}"))
    for line in found["advice"]:
        typer.echo(harmless(line))
    if found["command"] is not None:
        typer.echo(f"go on with: {found['command']}")


def _row(stage: Mapping[str, Any]) -> tuple[object, ...]:
    good, lost = stage["last_good"], stage["lost"]
    behind = f"{lost['steps']} steps, {minutes(lost['seconds'])}" if lost["steps"] else None
    return stage["stage"], stage["status"], stage["step"], good["path"] if good else None, behind


def _program() -> list[str]:
    """The words that start this program from here."""
    return ["holdfast"] if shutil.which("holdfast") else [sys.executable, "-m", "holdfast"]
