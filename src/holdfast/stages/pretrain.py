"""Stage `pretrain`: a base model from the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.stages import assemble
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.stages.training import CHECKPOINTS, Lesson, learn
from holdfast.tokenizer import store


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The model, how it is trained, and in which precision."""
    return {
        "model": identity(recipe.model),
        "pretrain": identity(recipe.pretrain),
        "seed": recipe.seed,
        "precision": recipe.precision,
        "budget": None if recipe.pretrain.horizons() else recipe.budget,
    }


def work(run: Run) -> Mapping[str, Any]:
    """Train on the corpus from random weights."""
    recipe = run.recipe
    tokenizer = store.load(run.dir / "tokenizer")
    config = assemble.model_config(recipe.model, tokenizer.vocab_size)
    feed, held_out = assemble.feeds(run.dir / "tokens", recipe.pretrain, config.context_length, recipe.seed, tokenizer)
    lesson = Lesson(
        name=STAGE.name,
        settings=recipe.pretrain,
        config=config,
        tokenizer=tokenizer,
        feed=feed,
        held_out=held_out,
        first_weights=lambda model: None,
        prompts=recipe.evaluate.prompts,
        form="continuation",
    )
    return learn(run, lesson)


STAGE = Stage("pretrain", ("tokenizer", "tokens"), settings, work, outputs=(CHECKPOINTS,), resumes=True)
