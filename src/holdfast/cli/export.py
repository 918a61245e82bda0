"""`holdfast export`: write a trained model in a format of other people's."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.runs import RunArgument
from holdfast.cli.sampling import StageOption, opened_model


class Format(StrEnum):
    """Formats with a writer."""

    HF = "hf"


class Dtype(StrEnum):
    """Number formats of written weights."""

    FP32 = "fp32"
    BF16 = "bf16"


def export(
    run_dir: RunArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the model.")],
    to: Annotated[Format, typer.Option(help="hf: a folder that transformers loads.")] = Format.HF,
    dtype: Annotated[Dtype, typer.Option(help="Number format of the weights.")] = Dtype.FP32,
    stage: StageOption = None,
) -> None:
    """Export a model and prove, in a fresh process, that it still is the same model."""
    loaded = opened_model(run_dir, stage)
    from holdfast.publish.export import export as write

    write(loaded, to.value, out, dtype.value)
    typer.echo(f"exported: {out} (same logits, tokens and text as here, see {out / 'parity.json'})")
