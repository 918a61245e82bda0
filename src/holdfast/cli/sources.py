"""`holdfast sources`: where text can come from."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.base.faults import ExitCode, RecipeFault
from holdfast.cli.screen import AsJson, show_json, show_table

app = typer.Typer(help="Where text can come from: the catalogue that comes with holdfast, and your own lists.")
BRIEF = ("id", "period", "place", "licence", "state", "name")
Files = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", metavar="YAML", help="A list of your own, as in corpus.source_files; repeatable."),
]


@app.callback(invoke_without_command=True)
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_all()


@app.command("list")
def list_all(
    period: Annotated[str | None, typer.Option(metavar="YEARS", help="Only of these years: 1700-1800.")] = None,
    place: Annotated[str | None, typer.Option(metavar="WORD", help="Only of this place: London.")] = None,
    licence: Annotated[str | None, typer.Option(metavar="WORD", help="Only under this licence: public.")] = None,
    files: Files = None,
    as_json: AsJson = False,
) -> None:
    """The sources that a recipe can name in corpus.sources. Asks nobody on the network.

    State: here; to fetch, by `holdfast fetch`; by hand, for what one gets oneself; off, and `sources show` says why;
    damaged, where the record of a fetch can not be read.
    """
    from holdfast.stages.supplies.sources import list_sources

    found, notices = list_sources(files or [], period, place, licence)
    if as_json:
        show_json(found)
        return
    show_table(BRIEF, [[each[column] for column in BRIEF] for each in found])
    for notice in notices if found else ("no source is like that",):
        typer.echo(notice, err=True)


@app.command("show")
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `holdfast sources list` names it.")],
    files: Files = None,
    as_json: AsJson = False,
) -> None:
    """One source: its terms, how its files are found, and where they are kept."""
    from holdfast.stages.supplies.sources import show_source

    found = show_source(files or [], id)
    if as_json:
        show_json(found)
    else:
        said = [(key.replace("_", " "), _shown(value)) for key, value in found.items() if value not in (None, [])]
        show_table(("what", "is"), said)


@app.command("check")
def check(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Or patterns such as ia-*; by default all.")
    ] = None,
    files: Files = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="YAML", help="Write a list of what was there today.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the archives, politely, whether what the catalogue names is still there. Exit code 1 when not."""
    from holdfast.stages.supplies.sources import check_sources, record_check

    if record is not None and record.exists():
        raise RecipeFault(f"{record} exists", "choose a new file: nothing is overwritten")
    found = check_sources(files or [], ids or [], quiet or as_json)
    if record is not None:
        record_check(files or [], found, record, date.today())
    if as_json:
        show_json(found)
    else:
        show_table(("source", "ok", "seen", "trouble"), [row for each in found for row in _rows(each)])
    if not all(each["ok"] for each in found):
        raise typer.Exit(ExitCode.FAILED)


def _rows(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A line for a source, and one for each of its files that is gone."""
    gone = [("", "", None, f"{each['id']}: {each['why']}") for each in found["dead"]]
    return [(found["source"], _shown(found["ok"]), found["alive"], f"{len(gone)}" if gone else None), *gone]


def _shown(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else value
