"""`holdfast corpus`: documents out of raw text, without a run around them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.corpus_stats import stats
from holdfast.cli.screen import AsJson, harmless, show_json

if TYPE_CHECKING:
    from holdfast.stages.showing import View

app = typer.Typer(help="Make a corpus by itself, and see what becomes of a text.", no_args_is_help=True)

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


app.command("stats")(stats)


@app.callback()
def _group() -> None:
    pass


@app.command("build")
def build(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[RECIPE] SETTING=VALUE", help="Settings of the corpus, such as corpus.path=texts."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder for the documents: a new one, or one that a build left unfinished."
        ),
    ],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Read, clean, deduplicate and split texts into train and val documents, as a run would."""
    recipe, overrides = ("smoke", words) if "=" in words[0] else (words[0], words[1:])
    from holdfast.stages.recipe import resolve

    resolved = resolve(recipe, overrides)
    from holdfast.stages.standalone import build_corpus

    line = build_corpus(resolved.recipe, out, quiet)
    if not quiet:
        typer.echo(line)


@app.command("show")
def show(
    source: Annotated[str, typer.Argument(metavar="PATH|RECIPE", help="A file or folder of texts, or a recipe.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[SETTING=VALUE]", help="Settings, such as corpus.clean=[markup].")
    ] = None,
    before: Annotated[bool, typer.Option("--before", help="Print the text as it was read.")] = False,
    after: Annotated[bool, typer.Option("--after", help="Print the text as it is learned from.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print the lines that differ (the default).")] = False,
    document: Annotated[str | None, typer.Option("--document", metavar="ID", help="Only this document.")] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="NAME", help="Only what this step does, in the recipe or not.")
    ] = None,
    sample: Annotated[int, typer.Option("--sample", metavar="N", min=1, help="So many documents, the first ones.")] = 3,
    lines: Annotated[
        int, typer.Option("--lines", metavar="N", min=0, help="So many lines of each document; 0: all of them.")
    ] = 60,
    as_json: AsJson = False,
) -> None:
    """Show what cleaning does to texts, and which are left out. Nothing is written."""
    from holdfast.stages.showing import views

    found = views(source, overrides or [], document, step, sample)
    wanted = {"before": before, "after": after, "diff": diff or not (before or after)}
    if as_json:
        show_json([_plain(each, wanted) for each in found])
        return
    for each in found:
        _show(each, wanted, lines)


def _plain(shown: View, wanted: dict[str, bool]) -> dict[str, Any]:
    """As JSON data: counts of each step, and whole texts where they are asked for."""
    found: dict[str, Any] = {"id": shown.id, "rejected": shown.rejected.why if shown.rejected else None}
    found["steps"] = [{"step": each.step, "characters": each.characters, "lines": each.lines} for each in shown.steps]
    return found | {name: "\n".join(_lines(shown, name)) for name in wanted if wanted[name]}


def _show(shown: View, wanted: dict[str, bool], most: int) -> None:
    left_out = f"  left out: {shown.rejected.why}" if shown.rejected else ""
    typer.secho(harmless(shown.id), bold=True, nl=False)
    typer.secho(harmless(left_out), fg="yellow")
    for each in shown.steps:
        typer.echo(f"  {each.step:<14} {-each.characters:>+10,} characters {-each.lines:>+8,} lines")
    if not shown.steps and not left_out:
        typer.echo("  nothing is changed")
    for name in (each for each in wanted if wanted[each]):
        found = _lines(shown, name)
        for line in found[: most or None]:
            typer.secho(harmless(line), fg=_COLOURS.get(line[:1]) if name == "diff" else None)
        if most and len(found) > most:
            typer.echo(f"... {len(found) - most:,} more lines; --lines 0 shows all")


def _lines(shown: View, name: str) -> list[str]:
    if name == "diff":
        return list(shown.diff())
    return (shown.before if name == "before" else shown.after).splitlines()
