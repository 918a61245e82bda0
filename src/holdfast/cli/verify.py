"""`holdfast verify`: is everything a recipe needs on this machine, and whole?"""

from __future__ import annotations

import shlex
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.base.faults import ExitCode
from holdfast.cli.runs import Overrides
from holdfast.cli.screen import AsJson, show_json, show_table, size

if TYPE_CHECKING:
    from holdfast.stages.supplies.verifying import Checked, Verification


def verify(
    source: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")],
    overrides: Overrides = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Block the network of this process meanwhile: any attempt to connect is an error."
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare names and sizes only: damage inside a file is not found.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open everything a recipe needs, go through all of it, and compare it with what `holdfast fetch` recorded.

    All that is missing or damaged is named at once. Nothing is written.

    Exit code 0: everything is here, 3: something is not.
    """
    from holdfast.journal.sinks.bars import progress_bar
    from holdfast.stages.recipe import resolve
    from holdfast.stages.supplies.offline import no_network
    from holdfast.stages.supplies.verifying import verify as check

    started = time.monotonic()
    recipe = resolve(source, overrides or []).recipe
    with no_network() if offline else nullcontext(), progress_bar("verifying", unit="B", quiet=as_json) as progress:
        found = check(recipe, quick, progress)
    seconds = time.monotonic() - started
    if as_json:
        show_json({**found.to_dict(), "offline": offline, "seconds": round(seconds, 3)})
    else:
        _show(found, shlex.join([source, *(overrides or [])]), offline, seconds)
    if found.lacks:
        raise typer.Exit(ExitCode.NOT_READY)


def _show(found: Verification, command: str, offline: bool, seconds: float) -> None:
    if found.checked:
        show_table(("what", "kind", "files", "size", "holds", "state"), [_row(each) for each in found.checked])
    for note in found.notes:
        typer.echo(f"note: {note}")
    for lack in found.lacks:
        typer.echo(f"missing: {lack.what}\n    fix: {lack.remedy.replace('RECIPE', command)}")
    how = "names and sizes compared" if found.quick else "all of it opened"
    blocked = ", network blocked" if offline else ""
    count = len(found.lacks)
    outcome = f"{count:,} missing or damaged" if count else "everything this recipe needs is here"
    typer.echo(f"{outcome} ({how}{blocked}, {seconds:.1f} s)")


def _row(checked: Checked) -> tuple[Any, ...]:
    counts: dict[str, int] = {}
    for each in checked.seen:
        if each.look is not None and each.look.count is not None:
            counts[each.look.unit] = counts.get(each.look.unit, 0) + each.look.count
    holds = ", ".join(f"{count:,} {unit if count != 1 else unit[:-1]}" for unit, count in sorted(counts.items()))
    state = "complete" if not checked.lacks else f"{len(checked.lacks):,} missing or damaged"
    here = sum(1 for each in checked.seen if each.why is None)
    return checked.need.name, checked.need.kind, here, size(checked.bytes), holds or None, state
