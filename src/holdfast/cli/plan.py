"""`holdfast plan`: what a run will need, before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from holdfast.base.faults import ExitCode
from holdfast.cli.runs import Overrides, RunDir, opened
from holdfast.cli.screen import AsJson, minutes, show_json, show_table, size


def plan(
    source: Annotated[str, typer.Argument(metavar="RECIPE|RUN", help="A recipe, or the folder of a run.")],
    overrides: Overrides = None,
    run_dir: RunDir = None,
    as_json: AsJson = False,
) -> None:
    """Check that a recipe can run here, and say what it will take. Exit code 0: ready, 3: not ready."""
    resolved, folder = opened(source, overrides, run_dir)
    from holdfast.stages.plan import make

    made = make(resolved, folder)
    found = made.to_dict()
    if as_json:
        show_json(found)
    else:
        show_table(("what", "expected"), list(_rows(found)))
        for problem in found["problems"]:
            typer.echo(f"problem: {problem['what']}\n    fix: {problem['remedy']}")
        typer.echo("ready" if made.ready else "not ready")
    if not made.ready:
        raise typer.Exit(ExitCode.NOT_READY)


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for title, key, shown in (
        ("memory", "memory_bytes", size),
        ("disk", "disk_bytes", size),
        ("time", "seconds", minutes),
    ):
        for name, value in (found.get(key) or {}).items():
            rows.append((f"{title}: {name}", "-" if value is None else shown(value)))
    counts = {"parameters": found.get("parameters")}
    for title in ("tokens", "steps"):
        counts |= {f"{title}: {name}": value for name, value in (found.get(title) or {}).items()}
    rows += [(name, "-" if value is None else f"{value:,}") for name, value in counts.items()]
    return rows
