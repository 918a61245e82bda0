"""Stage `pretrain`: a base model from the corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from holdfast.base.faults import Fault, RecipeFault
from holdfast.feed.neighbours import Neighbours, behind, frequent, neighbours
from holdfast.feed.shards import Shards
from holdfast.model.config import Config, config_to_dict
from holdfast.model.counted import Pairs, start_from_counts, start_pairs
from holdfast.model.transformer import Transformer
from holdfast.stages import assemble
from holdfast.stages.recipe import Recipe, identity
from holdfast.stages.resuming.changes import other_model, words
from holdfast.stages.resuming.choice import located, weights_fingerprint
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage
from holdfast.stages.training import CHECKPOINTS, Lesson, learn
from holdfast.tokenizer import store
from holdfast.tokenizer.codec import Tokenizer
from holdfast.vault.store import Checkpoint
from holdfast.vault.verify import read_part


def settings(recipe: Recipe) -> Mapping[str, Any]:
    """The model, how it is trained, in which precision, and the weights it starts from, by what they are."""
    section = identity(recipe.pretrain)
    source = section.pop("init_from")
    return {
        "model": identity(recipe.model),
        "pretrain": section,
        "seed": recipe.seed,
        **recipe.number_format,
        "budget": None if recipe.pretrain.horizons() else recipe.budget,
        **({} if source is None else {"init_from": weights_fingerprint(_source(source))}),
    }


def work(run: Run) -> Mapping[str, Any]:
    """Train on the corpus, from random weights or from those of another run."""
    source = run.recipe.pretrain.init_from
    return learn(run, lesson(run)) | ({} if source is None else {"init_from": source})


def lesson(run: Run) -> Lesson:
    """What is to be trained. Raises RecipeFault when the weights to start from are of another model. Writes nothing."""
    recipe = run.recipe
    tokenizer = store.load(run.dir / "tokenizer")
    config = assemble.model_config(recipe.model, tokenizer.vocab_size)
    feed, held_out = assemble.feeds(run.dir / "tokens", recipe.pretrain, config.context_length, recipe.seed, tokenizer)
    return Lesson(
        name=STAGE.name,
        settings=recipe.pretrain,
        config=config,
        tokenizer=tokenizer,
        feed=feed,
        held_out=held_out,
        first_weights=_first_weights(run, config, tokenizer),
        prompts=recipe.evaluate.prompts,
        form="continuation",
    )


def _first_weights(run: Run, config: Config, tokenizer: Tokenizer) -> Callable[[nn.Module], None]:
    recipe = run.recipe
    if (source := recipe.pretrain.init_from) is not None:
        return _trained_weights(source, config, tokenizer)
    if recipe.pretrain.first_weights == "counts":
        return _counted_weights(run.dir / "tokens" / "train", tokenizer.vocab_size, recipe.seed)
    return lambda model: None


def _counted_weights(folder: Path, vocab_size: int, seed: int) -> Callable[[nn.Module], None]:
    def load(module: nn.Module) -> None:
        model, shards = cast(Transformer, module), Shards.open(folder)
        found = neighbours(shards, vocab_size)
        start_from_counts(model, _pairs(found), seed)
        if model.pairs is not None:
            keys = frequent(found, vocab_size, len(model.pairs.keys))
            start_pairs(model, torch.from_numpy(keys), _pairs(behind(shards, vocab_size, keys)))

    made: dict[str, Tensor] = {}  # asked for twice where a step is measured first

    def once(model: nn.Module) -> None:
        if made:
            model.load_state_dict(made)
        else:
            load(model)
            made.update({name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()})

    return once


def _pairs(found: Neighbours) -> Pairs:
    return Pairs(*(torch.from_numpy(part) for part in (found.first, found.second, found.count)))


def _trained_weights(source: str, config: Config, tokenizer: Tokenizer) -> Callable[[nn.Module], None]:
    checkpoint = _source(source)
    if odd := other_model(checkpoint.manifest, config_to_dict(config), tokenizer.fingerprint):
        raise RecipeFault(
            f"pretrain.init_from: {checkpoint.path} is of another model: {words(odd)}",
            "describe that model in the recipe, or start from weights that fit this one",
        )

    def load(model: nn.Module) -> None:
        model.load_state_dict(read_part(checkpoint, "model"))

    return load


def _source(where: str) -> Checkpoint:
    try:
        return located(where, stage="pretrain")
    except Fault as fault:
        raise RecipeFault(f"pretrain.init_from: {fault.cause}", fault.remedy) from fault


STAGE = Stage("pretrain", ("tokenizer", "tokens"), settings, work, outputs=(CHECKPOINTS,), resumes=True)
