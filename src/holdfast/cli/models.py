"""`holdfast models`: the named sizes."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.screen import AsJson, show_json, show_table


def models(
    vocab: Annotated[int, typer.Option(min=1, metavar="N", help="Vocabulary the parameters are counted for.")] = 8192,
    as_json: AsJson = False,
) -> None:
    """The sizes that `model.size` knows, with computed parameter counts."""
    from holdfast.stages.models import named_sizes

    found = named_sizes(vocab)
    if as_json:
        show_json(found)
        return
    columns = ("size", "parameters", "family", "hidden_size", "num_layers", "num_heads", "context_length")
    show_table(columns, [[each.get(column) for column in columns] for each in found])
