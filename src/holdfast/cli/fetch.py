"""`holdfast fetch`: bring everything a recipe needs to this machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.base.faults import DiskFault, ExitCode
from holdfast.cli.runs import Overrides
from holdfast.cli.screen import AsJson, show_json, show_table, size

if TYPE_CHECKING:
    from holdfast.stages.recipe import Recipe
    from holdfast.stages.supplies.fetching import Brought
    from holdfast.stages.supplies.needs import Lack
    from holdfast.stages.supplies.verifying import Verification


def fetch(
    source: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped one.")],
    overrides: Overrides = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="TAR", help="Then pack all of it into one file to carry over.")
    ] = None,
    from_bundle: Annotated[
        Path | None,
        typer.Option("--from-bundle", metavar="TAR", help="Unpack such a file here instead of using the network."),
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh", help="Ask the sources anew what they have, and record your own files as they are now."
        ),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also try the files that their servers refused for good.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Problems only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring everything a recipe needs to this machine, and record what it was.

    Sources go into the cache folder (HOLDFAST_CACHE), politely; a fetch that was stopped goes on where it was.

    Your own files (corpus.path, sft.path, ...) are hashed, so that `holdfast verify` knows when one is gone.

    Exit code 0: everything is here, 1: something is missing, 75: interrupted, run it again.
    """
    from holdfast.stages.recipe import resolve
    from holdfast.stages.supplies.fetching import Brought
    from holdfast.stages.supplies.fetching import fetch as bring
    from holdfast.stages.supplies.verifying import verify

    recipe = resolve(source, overrides or []).recipe
    bar = _bars(quiet or as_json)
    if from_bundle is not None:
        _unpack(recipe, from_bundle, bar, quiet or as_json)
        brought = Brought()
    else:
        brought = bring(recipe, bar, refresh=refresh, again=again)
    found = verify(recipe, quick=True, progress=lambda done, total: None)
    lacks = brought.all_lacks(found)
    if as_json:
        show_json(_plain(brought, found, lacks))
    elif not quiet:
        _show(brought, found)
    if not as_json:
        _tell(lacks, shlex.join([source, *(overrides or [])]), quiet)
    if lacks:
        raise typer.Exit(ExitCode.FAILED)
    if bundle is not None:
        _pack(recipe, bundle, bar, quiet or as_json)


def _bars(quiet: bool) -> Any:
    from holdfast.journal.sinks.bars import progress_bar

    def bar(description: str, unit: str) -> AbstractContextManager[Any]:
        return progress_bar(description, unit=unit, quiet=quiet)

    return bar


def _unpack(recipe: Recipe, path: Path, bar: Any, quiet: bool) -> None:
    from holdfast.stages.supplies.bundle import unpack

    try:
        with bar(f"unpacking {path.name}", "B") as progress:
            done = unpack(recipe, path, progress)
    except FileNotFoundError:
        raise DiskFault(f"there is no file {path}", "name one that `holdfast fetch --bundle` made") from None
    except OSError as error:
        raise DiskFault(f"{path} can not be unpacked: {error}", "check the disk and its free space") from error
    if not quiet:
        typer.echo(f"unpacked {path}: {done.files:,} files, {size(done.bytes)}")


def _pack(recipe: Recipe, path: Path, bar: Any, quiet: bool) -> None:
    from holdfast.stages.supplies.bundle import pack

    try:
        with bar(f"packing {path.name}", "B") as progress:
            done = pack(recipe, path, progress)
    except OSError as error:
        raise DiskFault(f"{path} can not be written: {error}", "choose another place for the bundle") from error
    for each in done.left_out:
        typer.echo(f"not in the bundle: {each}", err=True)
    if not quiet:
        typer.echo(f"packed {path}: {done.files:,} files, {size(done.bytes)}")
        typer.echo("  there: holdfast fetch RECIPE --from-bundle TAR, then holdfast verify RECIPE --offline")


def _show(brought: Brought, found: Verification) -> None:
    new = brought.new_files()
    rows = []
    for each in found.checked:
        here = sum(1 for file in each.seen if file.why is None)
        state = "complete" if not each.lacks else f"{len(each.lacks):,} missing"
        rows.append((each.need.name, each.need.kind, here, new.get(each.need.name), size(each.bytes), state))
    if rows:
        show_table(("what", "kind", "files", "new", "size", "state"), rows)
    for note in (*brought.notes, *found.notes):
        typer.echo(f"note: {note}")


def _tell(lacks: Sequence[Lack], command: str, quiet: bool) -> None:
    for lack in lacks:
        typer.echo(f"missing: {lack.what}\n    fix: {lack.remedy.replace('RECIPE', command)}", err=True)
    if lacks:
        typer.echo("1 thing is missing" if len(lacks) == 1 else f"{len(lacks):,} things are missing", err=True)
    elif not quiet:
        typer.echo("everything this recipe needs is here")


def _plain(brought: Brought, found: Verification, lacks: list[Lack]) -> dict[str, Any]:
    plain = found.to_dict()
    problems = [{"what": lack.what, "remedy": lack.remedy} for lack in lacks]
    notes = [*brought.notes, *plain["notes"]]
    return {**plain, "ready": not lacks, "problems": problems, "notes": notes, "new": brought.new_files()}
