"""What a run will need, worked out from its recipe alone: memory, disk, tokens. Nothing is built and nothing is read.

Everything here is arithmetic on the recipe, the network's shape and the bytes of text, so that `holdfast run` can ask
for it at every start; what only an experiment can tell is in `probe`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from holdfast.feed.write import ids_dtype
from holdfast.model.config import Config
from holdfast.model.count import FP32, Demand, Memory, memory, parameters, tensors
from holdfast.model.portions import CHUNK_ELEMENTS, chunk_elements
from holdfast.stages.assemble import VALIDATION_ROWS
from holdfast.stages.chats import FEWEST_HELD_OUT, HELD_OUT_SHARE
from holdfast.stages.recipe import Recipe
from holdfast.stages.settings import SftSettings
from holdfast.text.settings import CorpusSettings
from holdfast.tokenizer.adopt import adopt
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.special import SMALLEST_VOCABULARY, round_up
from holdfast.train.settings import CheckpointSettings, TrainSettings
from holdfast.vault.retention import FEWEST

# Of English text, only until the tokenizer exists; between the sizes by the logarithm.
BYTES_PER_TOKEN = {259: 1.0, 512: 1.9, 1024: 2.5, 4096: 3.4, 8192: 3.8, 32768: 4.3, 131072: 4.6}
HARBOUR_DOCUMENT_BYTES = 256
HARBOUR_CONVERSATION_BYTES = 107
CORPUS_GROWTH = 1.1  # a document's line on the disk, with its id and its meta, as a factor on its text
HEADER_BYTES = 115  # what a checkpoint says of one tensor: its name, shape and place
CHUNKS_BYTES = 45 / (4 << 20)  # of a manifest, per byte of a checkpoint
MANIFEST_BYTES = 2200
PROMPT_TOKENS = 16
BUSY_TOKENS = {"cpu": 1024, "cuda": 8192}  # computed at once, from which on more of them are not faster, about


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes that a checkpoint takes up: whole, and as weights only."""

    whole: int
    weights: int


def trained(recipe: Recipe) -> dict[str, TrainSettings]:
    """The stages that train, in order."""
    stages: dict[str, TrainSettings] = {"pretrain": recipe.pretrain}
    return stages | {"sft": recipe.sft} if recipe.sft.enabled else stages


def batch_rows(settings: TrainSettings, config: Config) -> int:
    """Rows of a step."""
    return max(1, settings.batch_tokens // config.context_length)


class Portion(NamedTuple):
    """Rows computed at once, and the layers that are computed again going back."""

    rows: int
    recompute: str


def portion_of(
    recipe: Recipe,
    stage: str,
    config: Config,
    device: torch.device,
    precision: str,
    free: float = math.inf,
    shares: int = 1,
) -> Portion:
    """The largest portion that fits into `free` bytes; where none does, the smallest. Pure arithmetic.

    First fewer rows at once, which cost next to nothing while a portion keeps the device busy, then every second layer
    again, then all of them, then fewer rows yet. What the recipe says itself stays.

    shares: the processes that a batch is dealt out to.
    """
    settings = trained(recipe)[stage]
    most = math.ceil(batch_rows(settings, config) / shares)
    given = min(most, settings.micro_batch_rows or most)
    if settings.recompute != "auto":
        return Portion(given, settings.recompute)
    halves = [given]
    while settings.micro_batch_rows is None and halves[-1] > 1:
        halves.append(math.ceil(halves[-1] / 2))
    busy = BUSY_TOKENS.get(device.type, BUSY_TOKENS["cuda"]) / config.context_length
    enough = [rows for rows in halves if rows >= busy] or halves[:1]
    choices = [Portion(rows, "none") for rows in enough]
    choices += [Portion(enough[-1], policy) for policy in ("every_second", "all")]
    choices += [Portion(rows, "all") for rows in halves if rows < enough[-1]]

    def fits(choice: Portion) -> bool:
        return memory(config, demand(recipe, stage, config, device, precision, choice)).total <= free

    return next(filter(fits, choices), choices[-1])


def demand(
    recipe: Recipe, stage: str, config: Config, device: torch.device, precision: str, portion: Portion | None = None
) -> Demand:
    """What a stage asks for at its largest. portion: None where memory is no concern."""
    settings = trained(recipe)[stage]
    rows, recompute = portion or portion_of(recipe, stage, config, device, precision)
    sample = min(config.context_length, PROMPT_TOKENS + recipe.evaluate.max_tokens)
    on_cpu = device.type == "cpu"
    return Demand(
        rows=rows,
        logit_elements=chunk_elements(device.type, precision),
        accumulates=rows < batch_rows(settings, config),
        optimizer=settings.optimizer.kind,
        precision=precision,
        recompute=recompute,
        packed=settings.packing == "documents",
        snapshot=recipe.checkpoints.background and on_cpu,  # elsewhere the copy is in the host's memory
        evaluation_rows=VALIDATION_ROWS,
        cache_tokens=len(recipe.evaluate.prompts) * sample,
        heap=on_cpu,
        kernels=on_cpu and recipe.kernels == "auto" and recipe.threads == 1,
    )


def most_memory(recipe: Recipe, config: Config, device: torch.device, precision: str, free: float = math.inf) -> Memory:
    """Memory of the stage that takes most, each in portions that fit into `free` bytes if there are such."""
    machine = (config, device, precision)
    portions = {stage: portion_of(recipe, stage, *machine, free) for stage in trained(recipe)}
    found = (memory(config, demand(recipe, stage, *machine, each)) for stage, each in portions.items())
    return max(found, key=lambda each: each.total)


def checkpoint(config: Config, optimizer: str) -> Disk:
    """One checkpoint on the disk."""
    count, slots = parameters(config), memory(config, Demand(1, CHUNK_ELEMENTS, optimizer=optimizer)).optimizer
    names = tensors(config)
    weights = FP32 * count + names * HEADER_BYTES
    moments = slots + round(names * slots / (FP32 * count)) * HEADER_BYTES
    whole = weights + moments
    return Disk(*(int(size * (1 + CHUNKS_BYTES)) + MANIFEST_BYTES for size in (whole, weights)))


def saves(settings: TrainSettings, checkpoints: CheckpointSettings, steps: int, seconds: float | None) -> int:
    """How many times a stage of so many steps, of so many seconds in all, is saved at most.

    None: nobody knows how long it takes, so it is saved as often as there are steps.
    """
    by_step = {step for every in _intervals(settings, checkpoints) for step in range(every, steps, every)}
    if settings.save_minutes is None:
        by_clock = 0
    else:
        by_clock = steps if seconds is None else math.floor(seconds / (60 * settings.save_minutes))
    return min(steps, len(by_step) + by_clock + 1)


def _intervals(settings: TrainSettings, checkpoints: CheckpointSettings) -> list[int]:
    every = (settings.save_steps, settings.eval_steps, checkpoints.milestone_steps)
    return [steps for steps in every if steps is not None]


def checkpoint_bytes(recipe: Recipe, stage: str, size: Disk, steps: int | None, seconds: float | None = None) -> int:
    """What the checkpoints of a stage take up at their most: every tier full with different ones, one being written.

    steps: its length; None: as long as it likes. seconds: what that takes, where it is known. The disk budget is kept,
    but for the few that are never deleted.
    """
    settings, checkpoints = trained(recipe)[stage], recipe.checkpoints
    healthy, written = 2, 1  # one that proved so, and one that still may
    full = max(settings.keep, FEWEST) + checkpoints.keep_best + healthy + checkpoints.keep_emergency
    milestones = 0 if steps is None else _milestones(checkpoints, steps)
    if steps is not None:
        most = saves(settings, checkpoints, steps, seconds)
        full, milestones = min(full, most), max(0, min(milestones, most - full))
        written = 1 if most > full else 0
    kept = full * size.whole + milestones * (size.weights if checkpoints.milestones == "weights" else size.whole)
    if checkpoints.disk_budget_gb is not None:
        kept = min(kept, max(int(checkpoints.disk_budget_gb * 1e9), fewest(size)))
    return kept + written * size.whole


def fewest(size: Disk) -> int:
    """What no budget can go below: the newest two, the newest healthy one and the best."""
    return (FEWEST + 2) * size.whole


def _milestones(checkpoints: CheckpointSettings, steps: int) -> int:
    return 0 if checkpoints.milestone_steps is None else steps // checkpoints.milestone_steps


def text_made(settings: CorpusSettings) -> int:
    """Bytes of text that the generator makes, about."""
    return settings.documents * HARBOUR_DOCUMENT_BYTES


def chats_made(settings: SftSettings) -> int:
    """Bytes of conversations that the generator makes, those that are held out too, about."""
    held_out = max(settings.conversations // HELD_OUT_SHARE, FEWEST_HELD_OUT)
    return (settings.conversations + held_out) * HARBOUR_CONVERSATION_BYTES


def vocabulary(settings: TokenizerSettings) -> int:
    """How many ids there will be; with one per character about, as only the text can say which it has beyond ASCII.

    Raises DataFault for a tokenizer to load that can not be taken over.
    """
    if settings.load is not None:
        return adopt(Path(settings.load), tuple(settings.domain_tokens)).size
    return round_up(settings.vocab_size if settings.kind == "bpe" else SMALLEST_VOCABULARY)


def bytes_per_token(kind: str, vocab_size: int) -> float:
    """How much English text one token stands for, about."""
    if kind != "bpe":
        return 1.0
    sizes = sorted(BYTES_PER_TOKEN)
    if vocab_size >= sizes[-1]:
        return BYTES_PER_TOKEN[sizes[-1]]
    above = next(index for index, size in enumerate(sizes) if size > max(vocab_size, sizes[0]))
    low, high = sizes[above - 1], sizes[above]
    part = math.log(max(vocab_size, low) / low) / math.log(high / low)
    return BYTES_PER_TOKEN[low] + part * (BYTES_PER_TOKEN[high] - BYTES_PER_TOKEN[low])


def token_bytes(tokens: int, vocab_size: int, *, masked: bool) -> int:
    """What so many tokens take up in shards. masked: a byte each says whether it is learned."""
    return tokens * (ids_dtype(vocab_size).itemsize + masked)


def steps_of(settings: TrainSettings, epoch_tokens: int) -> int | None:
    """How many steps the recipe asks for; None: the budget says it. epoch_tokens: those of one pass."""
    if settings.steps is not None:
        return settings.steps
    tokens = settings.tokens
    if settings.epochs is not None:
        tokens = math.ceil(settings.epochs * epoch_tokens)
    return None if tokens is None else max(1, math.ceil(tokens / settings.batch_tokens))


def disk(
    recipe: Recipe,
    config: Config,
    text: int,
    tokens: Mapping[str, int],
    steps: Mapping[str, int | None],
    seconds: Mapping[str, float],
) -> dict[str, int]:
    """Bytes that a run writes, by what: documents, tokens, all checkpoints at their most, and the exports.

    tokens: those of the corpus and of the conversations, under "pretrain" and "sft". steps, seconds: of each stage.
    """
    kept = {
        stage: checkpoint_bytes(
            recipe, stage, checkpoint(config, each.optimizer.kind), steps.get(stage), seconds.get(stage)
        )
        for stage, each in trained(recipe).items()
    }
    number = FP32 if recipe.export.dtype == "fp32" else FP32 // 2
    parts = {
        "corpus": int(text * CORPUS_GROWTH),
        "tokens": sum(token_bytes(count, config.vocab_size, masked=name == "sft") for name, count in tokens.items()),
        "checkpoints": sum(kept.values()),
        "export": parameters(config) * number * len(recipe.export.to),
    }
    return {"total": sum(parts.values()), **parts}
