"""`holdfast chat`: talk to a model, on a terminal, with one prompt, or through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.base.faults import DataFault
from holdfast.cli.runs import RunArgument
from holdfast.cli.sampling import (
    MaxTokens,
    RepetitionPenalty,
    Seed,
    StageOption,
    Temperature,
    TopK,
    TopP,
    opened_model,
)
from holdfast.cli.screen import show_fault, show_text

if TYPE_CHECKING:
    from holdfast.infer.chat import ChatSession

HELP = "/new starts a new conversation, /exit or Ctrl-D ends, Ctrl-C cuts an answer short."


def chat(
    run_dir: RunArgument,
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="Ask this, print the answer, end.")] = None,
    system: Annotated[str | None, typer.Option(help="Said to the model before the conversation.")] = None,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 0.7,
    top_k: TopK = 50,
    top_p: TopP = 1.0,
    repetition_penalty: RepetitionPenalty = 1.0,
    seed: Seed = 0,
    stage: StageOption = None,
) -> None:
    """Talk to a chat model. Through a pipe, each line is a question of its own and gets one line of answer."""
    loaded = opened_model(run_dir, stage)
    from holdfast.infer.chat import ChatSession
    from holdfast.infer.sample import SamplingParams

    params = SamplingParams(max_tokens, temperature, top_k, top_p, repetition_penalty, seed)

    def session() -> ChatSession:
        return ChatSession(loaded, params, system)

    if prompt is not None:
        say(session(), prompt)
    elif sys.stdin.isatty():
        converse(session)
    else:
        for line in sys.stdin:
            if line.strip():
                show_text(" ".join("".join(session().ask(line.strip())).split()), end="\n")


def converse(session: Callable[[], ChatSession]) -> None:
    """Turns on a terminal until the person leaves."""
    typer.secho(HELP, dim=True)
    talk = session()
    while True:
        try:
            text = input("you> ").strip()
        except (EOFError, KeyboardInterrupt):
            typer.echo()
            return
        if text == "/exit":
            return
        if text == "/new":
            talk = session()
        elif text.startswith("/"):
            typer.secho(HELP, dim=True)
        elif text:
            try:
                say(talk, text)
            except KeyboardInterrupt:
                typer.echo()
            except DataFault as fault:  # a message that is too long ends the turn, not the talk
                show_fault(fault)


def say(session: ChatSession, text: str) -> None:
    """Print the answer as it comes."""
    for piece in session.ask(text):
        show_text(piece)
    typer.echo()
