"""Stage `sft`: the base model learns to answer, from conversations, through the same loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from holdfast.journal.sinks.bars import progress_bar
from holdfast.model.config import config_from_dict
from holdfast.stages import assemble, chats
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.stages.training import CHECKPOINTS, Lesson, learn
from holdfast.text import harbour
from holdfast.text.sources import content_fingerprint
from holdfast.tokenizer import store
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import read_part

TOKENS = "tokens"
CHAT_PROMPTS = ("Hello! Who are you?", "What can you tell me about your home?", "How do you spell ship?")


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """How it is trained, and what the chat files hold right now."""
    return {
        "sft": identity(recipe.sft),
        "chats": harbour.fingerprint() if recipe.sft.path is None else content_fingerprint(recipe.sft.path),
        "seed": recipe.seed,
        **recipe.number_format,
        "budget": None if recipe.sft.horizons() else recipe.budget,
    }


def work(run: Run) -> Mapping[str, Any]:
    """Prepare the conversations, then train on them from the base model's weights."""
    recipe, folder, base = run.recipe, run.dir / STAGE.name, base_of(run)
    tokenizer = store.load(run.dir / "tokenizer")
    config = config_from_dict(base.manifest.model)  # the network is what was trained, whatever the recipe says now
    with progress_bar("chats", quiet=run.quiet) as progress:
        counts = chats.prepare(recipe.sft, recipe.seed, folder / TOKENS, tokenizer, config.context_length, progress)
    run.say(_line(counts))
    return learn(run, lesson(run, base)) | {"chats": counts, "base": base.path.name}


def base_of(run: Run) -> Checkpoint:
    """The checkpoint whose weights this stage starts from."""
    base = Vault(run.dir / "pretrain").newest_valid()
    assert base is not None, "pretrain is done, so it has a checkpoint"
    return base


def lesson(run: Run, base: Checkpoint) -> Lesson:
    """What is to be trained, once the conversations are prepared. Writes nothing."""
    recipe = run.recipe
    tokenizer = store.load(run.dir / "tokenizer")
    config = config_from_dict(base.manifest.model)
    folder = run.dir / STAGE.name / TOKENS
    feed, held_out = assemble.feeds(folder, recipe.sft, config.context_length, recipe.seed, tokenizer)

    def base_weights(model: nn.Module) -> None:
        model.load_state_dict(read_part(base, "model"))

    return Lesson(
        name=STAGE.name,
        settings=recipe.sft,
        config=config,
        tokenizer=tokenizer,
        feed=feed,
        held_out=held_out,
        first_weights=base_weights,
        prompts=CHAT_PROMPTS,
        form="chat",
    )


def _line(counts: Mapping[str, Any]) -> str:
    rejected = ", ".join(f"{count} {reason}" for reason, count in counts["rejected"].items())
    said = f"sft: {counts['train']['conversations']:,} conversations, {counts['heldout']['conversations']:,} held out"
    return f"{said}, left out: {rejected}" if rejected else said


STAGE = Stage(
    "sft",
    ("tokenizer", "pretrain"),
    settings,
    work,
    outputs=(CHECKPOINTS, f"{TOKENS}/{chats.HELD_OUT}"),
    wanted=lambda recipe: recipe.sft.enabled,
    resumes=True,
)
