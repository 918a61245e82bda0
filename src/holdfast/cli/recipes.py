"""`holdfast recipes`: which recipes are shipped, what one resolves to, and what may stand in one."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.runs import Overrides
from holdfast.cli.screen import AsJson, show_json, show_table

app = typer.Typer(help="Shipped recipes, and every setting a recipe may have.", invoke_without_command=True)


@app.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_recipes()


@app.command("list")
def list_recipes(as_json: AsJson = False) -> None:
    """The recipes that come with holdfast."""
    from holdfast.stages.recipe import describe_shipped

    found = describe_shipped()
    if as_json:
        show_json(found)
    else:
        show_table(("name", "what it is"), [(each["name"], each["description"]) for each in found])


@app.command("show")
def show(
    source: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped recipe or a file.")],
    overrides: Overrides = None,
) -> None:
    """A recipe in full: every value with where it came from."""
    from holdfast.stages.recipe import resolve

    typer.echo(resolve(source, overrides or []).text, nl=False)


@app.command("schema")
def schema() -> None:
    """JSON schema of a recipe, for editors."""
    from holdfast.stages.reference import schema as written

    show_json(written())


@app.command("reference")
def reference() -> None:
    """Every setting with its type, default and meaning, as Markdown."""
    from holdfast.stages.reference import reference as written

    typer.echo(written(), nl=False)
