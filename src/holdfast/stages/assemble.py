"""From what a recipe says to the objects that do it: the only place that builds models, optimizers and feeds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from holdfast.base.faults import RecipeFault
from holdfast.base.machine import cores
from holdfast.base.ranks import place
from holdfast.disk.places import cache_folder
from holdfast.feed.feed import Feed
from holdfast.feed.shards import Shards
from holdfast.model.build import build, initialise
from holdfast.model.config import Config
from holdfast.model.sizes import size_config
from holdfast.native import ops
from holdfast.optim.build import Optimizer, OptimizerConfig, build_optimizer
from holdfast.optim.schedule import ScheduleConfig
from holdfast.optim.shares import Dealt, deal
from holdfast.stages.recipe import Recipe
from holdfast.stages.settings import ModelSettings
from holdfast.tokenizer.codec import Tokenizer
from holdfast.train.heap import give_back, keep_freed_memory
from holdfast.train.settings import OptimizerSettings, ScheduleSettings, TrainSettings
from holdfast.train.sync import Ranks

KERNELS = "kernels"  # in the cache folder
VALIDATION_ROWS = 16  # rows measured at once when nothing smaller is asked for


def settle_machine(recipe: Recipe) -> torch.device:
    """Set the number of CPU threads and return the device to train on. Raises RecipeFault for one that is not here."""
    settle_process(recipe.threads or _share_of_cores(), kernels=recipe.kernels == "auto")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if recipe.device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if available[name]))
    if not available[recipe.device]:
        raise RecipeFault(f"device {recipe.device} is not available on this machine", "use device=auto or device=cpu")
    return torch.device(recipe.device)


def settle_process(threads: int | None, *, kernels: bool = True) -> None:
    """Set up this process for training: so many threads (None: as torch would have it), its memory kept, and compiled
    kernels where there can be any."""
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    if kernels:
        ops.load(cache_folder() / KERNELS)
    else:
        ops.unload()


@contextmanager
def all_cores() -> Iterator[None]:
    """The threads of all processes on this machine, for what one of them does while the others wait."""
    own = torch.get_num_threads()
    torch.set_num_threads(own * place().local_world_size)
    try:
        yield
    finally:
        torch.set_num_threads(own)


def _share_of_cores() -> int | None:
    """Threads for each process on this machine, where torch would take more than there are for it; None leaves it to
    torch: OMP_NUM_THREADS, or all cores of the machine."""
    here = place().local_world_size
    if here == 1:
        unasked = "OMP_NUM_THREADS" not in os.environ
        return cores() if unasked and cores() < torch.get_num_threads() else None
    chosen = os.environ.get("OMP_NUM_THREADS", "1") != "1"  # 1 is what torchrun sets where nobody chose
    return None if chosen else max(1, cores() // here)


def model_config(settings: ModelSettings, vocab_size: int) -> Config:
    """The network that the recipe describes, for a tokenizer of `vocab_size` ids."""
    overrides = settings.model_dump(exclude_none=True, exclude={"size", "context_length"})
    try:
        return size_config(settings.size, vocab_size, settings.context_length, **overrides)
    except (ValueError, TypeError) as error:
        raise RecipeFault(
            f"model: {error}", "change the model section; `holdfast models` lists sizes that fit"
        ) from error


def fresh_model(config: Config, seed: int, device: torch.device) -> nn.Module:
    """A model with its first weights, which depend on the configuration and the seed only."""
    model = build(config)
    initialise(model, seed)
    return model.to(device)


def optimizer(model: nn.Module, settings: OptimizerSettings, ranks: Ranks | None = None) -> Optimizer | Dealt:
    """The optimizer of one training stage. Where the ranks can hold model and optimizer in common, they do, and each of
    them steps a share of the parameters."""
    config = OptimizerConfig(**settings.model_dump())
    if ranks is None or not ranks.hold(list(model.parameters())):
        return build_optimizer(model, config)
    shares = deal(model, config, ranks.shares)
    ranks.hold_gradients({name: each for name, each in model.named_parameters() if each.requires_grad}, shares)
    parts = []
    for share in shares:
        parts.append(build_optimizer(model, config, share))
        ranks.hold(list(parts[-1].state_tensors().values()))
        give_back()  # what each had for itself
    return Dealt(parts, ranks.mine, ranks.meet)


def schedule(settings: ScheduleSettings) -> ScheduleConfig:
    """The learning rate's course over one training stage."""
    return ScheduleConfig(**settings.model_dump())


def feeds(
    folder: Path, settings: TrainSettings, context_length: int, seed: int, tokenizer: Tokenizer
) -> tuple[Feed, Feed]:
    """(this rank's share of the training feed, the whole held-out feed) over `folder/train` and `folder/val`."""
    rows, here = settings.batch_tokens // context_length, place()
    shards, held_out = (Shards.open(folder / split, as_read=True) for split in ("train", "val"))
    common = (context_length, rows, seed, settings.packing, tokenizer.pad)
    return Feed(shards, *common, here.rank, here.world_size), Feed(held_out, *common)
