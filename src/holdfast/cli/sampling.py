"""The options of every verb that draws text from a model, and opening that model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.runs import existing

if TYPE_CHECKING:
    from holdfast.infer.load import Loaded

MaxTokens = Annotated[int, typer.Option(metavar="N", help="Longest answer, in tokens.")]
Temperature = Annotated[float, typer.Option(help="0 always takes the likeliest token; 1 is the model as it is.")]
TopK = Annotated[int | None, typer.Option(metavar="K", help="Choose among the K likeliest tokens only.")]
TopP = Annotated[float, typer.Option(metavar="P", help="Choose among the likeliest tokens that make up this share.")]
RepetitionPenalty = Annotated[float, typer.Option(help="More than 1 makes tokens already used less likely.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same text.")]
StageOption = Annotated[
    str | None, typer.Option(metavar="STAGE", help="pretrain or sft; by default the last stage that has a model.")
]


def opened_model(run_dir: Path, stage: str | None) -> Loaded:
    """The model of a run, from its newest checkpoint that verifies."""
    folder = existing(run_dir)
    from holdfast.infer.load import load_model

    return load_model(folder, stage)
