"""`model.size: auto`: how large a model, a vocabulary and a batch should be for a budget on this machine.

What counts is the arithmetic that the budget buys, measured on this machine for a moment. Rules turn it into sizes;
what the recipe or the command line says itself is left as it is. Settled once: the resolved recipe of the run says it
from then on, so a later start on a slower day, or another machine, trains the same model.

The rules start from where a search was made, bench/results/search.json, at 10^13 to 10^14 operations: half a minute to
ten on two cores. Beyond it they are not measured but follow what is known of scaling: width and depth grow alike, with
the sixth root of the arithmetic, which has parameters and tokens grow alike (Hoffmann et al. 2022); the batch with its
square root (McCandlish et al. 2018).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from holdfast.base.explain import build
from holdfast.base.faults import Fault, RecipeFault
from holdfast.base.layers import from_values, merge
from holdfast.base.machine import cores
from holdfast.base.settings import flat
from holdfast.model.sizes import AUTO
from holdfast.stages.horizon import BUDGET_SHARE, OVERHEAD
from holdfast.stages.planning.checks import examine
from holdfast.stages.recipe import CALLED, Recipe, Resolved, resolve
from holdfast.stages.run import RECIPE

SOURCE = "sized for"  # how the source of a value that was chosen here begins
GIVEN = "default"  # the source of a value that nobody gave

REFERENCE_FLOPS = 6e13  # of training, about five minutes on two cores: where the search was made
REFERENCE_BLOCKS = 4  # layers, each 64 wide for every one of them
BLOCK_WIDTH = 64  # of one head, and of the model for every layer it has
FEWEST_BLOCKS, MOST_BLOCKS = 2, 24
REFERENCE_BATCH, FEWEST_BATCH, MOST_BATCH = 2048, 1024, 1 << 19  # tokens of a step
CONTEXTS = ((3e13, 256), (2e16, 512), (float("inf"), 1024))  # up to so much arithmetic
VOCABULARIES = ((1e15, 8192), (1e17, 16384), (float("inf"), 32768))
BYTES_PER_ENTRY = 1000  # of text, for every token of a vocabulary: with less its rare tokens are never learned
SMALLEST_VOCABULARY = 1024

PROBE_SIZE = 768
PROBE_ROUNDS = 5
PROBE_SECONDS = 0.05
USED = {"cpu": 0.6, "cuda": 0.4, "mps": 0.4}  # of the speed of large products, in training


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the rules decide; the names are those of the settings."""

    hidden_size: int
    num_layers: int
    num_heads: int
    context_length: int
    vocab_size: int
    batch_tokens: int

    def settings(self) -> dict[str, int]:
        """By dotted path."""
        model = ("hidden_size", "num_layers", "num_heads", "context_length")
        found = {f"model.{name}": getattr(self, name) for name in model}
        return found | {"tokenizer.vocab_size": self.vocab_size, "pretrain.batch_tokens": self.batch_tokens}


def choose(seconds: float, flops_per_second: float, corpus_bytes: int | None = None) -> Sizes:
    """The sizes for so much time of training at that speed. corpus_bytes: of text, None where it is not known."""
    flops = seconds * flops_per_second
    growth = flops / REFERENCE_FLOPS
    blocks = min(MOST_BLOCKS, max(FEWEST_BLOCKS, round(REFERENCE_BLOCKS * growth ** (1 / 6))))
    context = next(length for most, length in CONTEXTS if flops <= most)
    vocabulary = next(size for most, size in VOCABULARIES if flops <= most)
    if corpus_bytes is not None:
        learnable = 1 << (corpus_bytes // BYTES_PER_ENTRY).bit_length() >> 1  # a power of two, not above
        vocabulary = max(SMALLEST_VOCABULARY, min(vocabulary, learnable))
    batch = min(MOST_BATCH, max(FEWEST_BATCH, 1 << round(math.log2(REFERENCE_BATCH * growth**0.5))))
    return Sizes(BLOCK_WIDTH * blocks, blocks, blocks, context, vocabulary, max(batch, context))


def sized(resolved: Resolved, run_dir: Path) -> Resolved:
    """The recipe with sizes for everything that `model.size: auto` leaves open: those of the run, where it has begun.

    Raises RecipeFault where no budget says what to size for. Writes nothing.
    """
    recipe = resolved.recipe
    if recipe.model.size != AUTO:
        return resolved
    chosen, source = _kept(run_dir) or _chosen(recipe, run_dir)
    open_ = {path: value for path, value in chosen.items() if resolved.sources[path] == GIVEN}
    layer = merge([_layer(resolved), from_values(open_, source)], {})
    built = build(Recipe, layer, CALLED)
    return Resolved(built, {path: layer.sources[path] for path in flat(built)})


def told(resolved: Resolved) -> str | None:
    """In words what was chosen and what for, None where nothing was."""
    found = {path: source for path, source in resolved.sources.items() if source.startswith(SOURCE)}
    if not found:
        return None
    values = flat(resolved.recipe)
    sizes = ", ".join(f"{path.rpartition('.')[2]} {values[path]}" for path in found)
    return f"{next(iter(found.values()))}: {sizes}"


def _layer(resolved: Resolved) -> Any:
    layer = from_values(flat(resolved.recipe), "")
    layer.sources.update(resolved.sources)
    return layer


def _kept(run_dir: Path) -> tuple[dict[str, Any], str] | None:
    """What an earlier start of the run chose."""
    try:
        earlier = resolve(run_dir / RECIPE)
    except Fault:  # there is none, or none that can be read
        return None
    values = flat(earlier.recipe)
    found = {path: source for path, source in earlier.sources.items() if source.startswith(SOURCE)}
    return ({path: values[path] for path in found}, next(iter(found.values()))) if found else None


def _chosen(recipe: Recipe, run_dir: Path) -> tuple[Mapping[str, Any], str]:
    if recipe.budget is None:
        raise RecipeFault(
            "model.size=auto needs to know how long the run may take",
            "add budget=10min, or name a size: see `holdfast models`",
        )
    seconds = recipe.budget * BUDGET_SHARE["pretrain"] * (1 - OVERHEAD)
    speed = training_speed(_device(recipe))
    source = f"{SOURCE} {recipe.budget / 60:g} min at {speed / 1e9:.0f} GFLOP/s"
    text = examine(recipe, run_dir, []).text_bytes
    return choose(seconds, speed, text or None).settings(), source


def _device(recipe: Recipe) -> str:
    if recipe.device != "auto":
        return recipe.device
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def training_speed(device: str) -> float:
    """Floating-point operations a second that training will reach here, about: a share of what large products do.

    On a CPU in fp32, by all cores that this process may use; elsewhere in bf16. Takes about half a second.
    """
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    left, right = (torch.ones(PROBE_SIZE, PROBE_SIZE, dtype=dtype, device=device) for _ in range(2))
    rounds = []
    for _ in range(PROBE_ROUNDS):
        done, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < PROBE_SECONDS:
            (left @ right)[0, 0].item()  # waits for the device
            done += 1
        rounds.append(done / passed)
    others = cores() / torch.get_num_threads() if device == "cpu" else 1.0
    return statistics.median(rounds) * 2 * PROBE_SIZE**3 * max(1.0, others) * USED[device]
