"""`holdfast plan`: what a run will need, before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.base.faults import ExitCode, RecipeFault
from holdfast.cli.runs import Overrides, RunDir, opened
from holdfast.cli.screen import AsJson, minutes, show_json, show_table, size

if TYPE_CHECKING:
    from holdfast.stages.recipe import Resolved

VOCABULARY = 8192  # of the table, where no recipe says it


def plan(
    source: Annotated[
        str | None, typer.Argument(metavar="RECIPE|RUN", help="A recipe, or the folder of a run.", show_default=False)
    ] = None,
    overrides: Overrides = None,
    run_dir: RunDir = None,
    table: Annotated[
        bool, typer.Option("--table", help="Show which named size trains on which memory, instead; needs no recipe.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that a recipe can run here, and say what it will take. Exit code 0: ready, 3: not ready.

    All problems are named at once, those of the recipe too. A few steps are trained and forgotten; nothing is written.
    """
    if table:
        _show_sizes(source, overrides, as_json)
        return
    if source is None:
        raise RecipeFault("plan needs a recipe or a run", "name one, such as `holdfast plan demo`, or add --table")
    from holdfast.stages import recipe
    from holdfast.stages.planning.plan import make

    faults: list[RecipeFault] = []

    def read(path: str | Path, words: Sequence[str]) -> Resolved:
        resolved, found = recipe.usable(path, words)
        faults.extend(found)
        return resolved

    resolved, folder = opened(source, overrides, run_dir, read)
    made = make(resolved, folder, faults)
    found = made.to_dict()
    if as_json:
        show_json(found)
    else:
        show_table(("what", "expected"), list(_rows(found)))
        for note in found["notes"]:
            typer.echo(f"note: {note}")
        for problem in found["problems"]:
            typer.echo(f"problem: {problem['what']}\n    fix: {problem['remedy']}")
        typer.echo("ready" if made.ready else "not ready")
    if not made.ready:
        raise typer.Exit(ExitCode.NOT_READY)


def _show_sizes(source: str | None, overrides: list[str] | None, as_json: bool) -> None:
    vocabulary = VOCABULARY if source is None else opened(source, overrides, None)[0].recipe.tokenizer.vocab_size
    from holdfast.stages.planning.table import table

    found = table(vocabulary)
    if as_json:
        show_json(found)
        return
    places = list(found[0]["fits"])
    columns = ("size", "parameters", "context", *places)
    typer.echo("rows of the context at once, with AdamW: in bf16 / in fp32")
    rows = [
        (each["size"], each["parameters"], each["context_length"], *(_fits(each["fits"][place]) for place in places))
        for each in found
    ]
    show_table(columns, rows)


def _fits(fit: Mapping[str, Mapping[str, int]]) -> str | None:
    """`12 / 6`; None where not even one row fits."""
    rows = [each["rows"] for each in fit.values()]
    return " / ".join(map(str, rows)) if any(rows) else None


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("processes", found["processes"])] if found.get("processes") else []
    for title, key, shown in (
        ("memory", "memory_bytes", size),
        ("measured", "measured_bytes", size),
        ("disk", "disk_bytes", size),
        ("time", "seconds", minutes),
        ("time for", "seconds_for", minutes),
    ):
        for name, value in (found.get(key) or {}).items():
            rows.append((f"{title}: {name}", "-" if value is None else shown(value)))
    counts = {"parameters": found.get("parameters")}
    for title in ("tokens", "steps"):
        counts |= {f"{title}: {name}": value for name, value in (found.get(title) or {}).items()}
    rows += [(name, "-" if value is None else f"{value:,}") for name, value in counts.items()]
    return rows
