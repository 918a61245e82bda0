"""How verbs show things: tables for people and for pipes, JSON for programs, errors for both."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from holdfast.base.faults import Fault, Stopped

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def show_text(text: str, end: str = "") -> None:
    """Text that a model wrote, for people: control characters, which could command a terminal, come as U+FFFD."""
    typer.echo(harmless(text) + end, nl=False)


def harmless(text: str) -> str:
    """The text without control characters other than tab and newline."""
    return "".join("\ufffd" if unicodedata.category(char) == "Cc" and char not in "\t\n" else char for char in text)


def show_fault(fault: Fault) -> None:
    """Cause and remedy on stderr, a line each; a fault that holds several shows all. A clean stop is no error."""
    stopped = isinstance(fault, Stopped)
    for each in getattr(fault, "faults", (fault,)):
        typer.secho("stopped:" if stopped else "error:", fg=None if stopped else "red", bold=True, nl=False, err=True)
        typer.echo(f" {harmless(each.cause)}", err=True)
        typer.secho("  next:" if stopped else "  fix:", fg="green", nl=False, err=True)
        typer.echo(f" {harmless(each.remedy)}", err=True)


def show_json(value: Any) -> None:
    """Plain data on stdout; NaN never comes out as a word that is not JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout: drawn on a terminal, tab-separated for a pipe. None is shown as a dash."""
    if not sys.stdout.isatty():
        for line in (columns, *rows):
            typer.echo("\t".join("-" if cell is None else str(cell) for cell in line))
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numbers = rows and all(isinstance(row[index], int | float) for row in rows if row[index] is not None)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_drawn(cell)) for cell in row))
    Console().print(table)


def _drawn(cell: Any) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def size(count: float) -> str:
    """Bytes for people: 12.3 MB."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def minutes(seconds: float | None) -> str:
    """A time span for people: 3 m 12 s, 1 h 05 m."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} m {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} m"
