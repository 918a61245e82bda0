"""`holdfast demo`: from nothing to a chat in minutes, with text that is made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.base.faults import Fault
from holdfast.cli.crash import log_crashes_in
from holdfast.cli.runs import Overrides, RunDir, opened

if TYPE_CHECKING:
    from holdfast.stages.recipe import Resolved


def demo(
    overrides: Overrides = None,
    run_dir: RunDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the chat at the end.")] = False,
) -> None:
    """Train a small chat model on a built-in world of ships and people, and talk to it."""
    resolved, folder = opened("demo", overrides, run_dir)
    if not resolved.recipe.sft.enabled:
        raise Fault("the demo ends in a chat, and sft.enabled is false", "holdfast run demo sft.enabled=false")
    from holdfast.stages import pipeline

    log_crashes_in(folder)
    pipeline.run(resolved, folder, until=None, quiet=quiet)
    _talk(resolved, folder)
    typer.echo(f"report: {folder / 'report.html'}")
    typer.echo(f"ask it yourself: holdfast chat {folder}")


def _talk(resolved: Resolved, folder: Path) -> None:
    """Put the recipe's prompts to the model, each in a conversation of its own."""
    from holdfast.infer.chat import ChatSession
    from holdfast.infer.load import load_model
    from holdfast.infer.sample import SamplingParams

    loaded = load_model(folder, "sft")
    for prompt in resolved.recipe.evaluate.prompts:
        typer.secho("\nyou>   ", dim=True, nl=False)
        typer.echo(prompt)
        typer.secho("model> ", fg=typer.colors.CYAN, nl=False)
        for piece in ChatSession(loaded, SamplingParams(max_tokens=100, temperature=0.0)).ask(prompt):
            typer.echo(piece, nl=False)
    typer.echo("\n")
