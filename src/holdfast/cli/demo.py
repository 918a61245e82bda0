"""`holdfast demo`: from nothing to a chat in minutes, with text that is made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.base.faults import Fault
from holdfast.cli.chat import say
from holdfast.cli.crash import log_crashes_in
from holdfast.cli.runs import Overrides, RunDir, listening_later, opened

# Names, things and sums that no training text of their kind held: remembering, reading, spelling, knowing, counting.
CONVERSATIONS = (
    ("Hello, I am Brika. I am looking for Yoren.", "What am I called?", "Who should I find?"),
    ("Ulis waits at the mill. Luley went to the old well. Where can I find Ulis?", "Who is at the old well?"),
    ("How do you spell pebble?",),
    ("Which ship has green sails?",),
    ("What is 47 plus 46?",),
    ("What do you know about opera?",),
    ("Tell me a joke.",),
)


def demo(
    overrides: Overrides = None,
    run_dir: RunDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the chat at the end.")] = False,
) -> None:
    """Train a small chat model on a built-in world of ships and people, and talk to it."""
    with listening_later():
        resolved, folder = opened("demo", overrides, run_dir)
        if not resolved.recipe.sft.enabled:
            raise Fault("the demo ends in a chat, and sft.enabled is false", "holdfast run demo sft.enabled=false")
        from holdfast.launch.processes import divided

        with divided(resolved.recipe, folder) as started:
            from holdfast.stages import pipeline

            log_crashes_in(folder)
            pipeline.run(resolved, folder, until=None, quiet=quiet, started=started)
    _talk(folder)
    typer.echo(f"report: {folder / 'report.html'}")
    typer.echo(f"ask it yourself: holdfast chat {folder}")


def _talk(folder: Path) -> None:
    """Hold the conversations with the model, greedily, and print them as they come."""
    from holdfast.infer.chat import ChatSession
    from holdfast.infer.load import load_model
    from holdfast.infer.sample import SamplingParams

    loaded = load_model(folder, "sft")
    for questions in CONVERSATIONS:
        talk = ChatSession(loaded, SamplingParams(max_tokens=60, temperature=0.0))
        typer.echo()
        for question in questions:
            typer.secho("you>   ", dim=True, nl=False)
            typer.echo(question)
            typer.secho("model> ", fg=typer.colors.CYAN, nl=False)
            say(talk, question)
    typer.echo()
