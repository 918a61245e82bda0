"""`holdfast sample`: let a model continue a text."""

from __future__ import annotations

from typing import Annotated

import typer

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
from holdfast.cli.screen import AsJson, show_json, show_text


def sample(
    run_dir: RunArgument,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="The beginning to continue.")] = "",
    max_tokens: MaxTokens = 100,
    temperature: Temperature = 0.8,
    top_k: TopK = None,
    top_p: TopP = 1.0,
    repetition_penalty: RepetitionPenalty = 1.0,
    seed: Seed = 0,
    stage: StageOption = None,
    as_json: AsJson = False,
) -> None:
    """Continue a text as a document of the corpus would go on. With --json: {"text": the continuation}."""
    loaded = opened_model(run_dir, stage)
    from holdfast.infer.chat import complete, stream
    from holdfast.infer.sample import SamplingParams

    params = SamplingParams(max_tokens, temperature, top_k, top_p, repetition_penalty, seed)
    if as_json:
        show_json({"text": complete(loaded, prompt, params)})
        return
    typer.echo(prompt, nl=False)
    for piece in stream(loaded, prompt, params):
        show_text(piece)
    typer.echo()
