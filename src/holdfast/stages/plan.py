"""What a run will need, before it starts: every problem at once, then sizes, memory, disk and time."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import torch

from holdfast.base.faults import Fault
from holdfast.base.records import Batch
from holdfast.model.config import Config
from holdfast.model.count import memory, parameters
from holdfast.model.loss import CHUNK_ELEMENTS
from holdfast.stages import assemble
from holdfast.stages.horizon import BUDGET_SHARE
from holdfast.stages.recipe import Recipe, Resolved
from holdfast.stages.run import holder
from holdfast.text.sources import content_bytes
from holdfast.train import precision
from holdfast.train.settings import TrainSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients

PROBE_STEPS = 2  # measured, after one that only warms up
SPREAD = (0.8, 1.5)  # machines slow down more often than they speed up
RESERVE = 1.2  # free disk that a run should find, as a factor on what it writes
BYTES_PER_TOKEN = {"char": 1.0, "byte": 1.0, "bpe": 3.6}  # English; only until the tokenizer exists
PREPARATION_SECONDS = 1.5e-6  # per byte of text: cleaning, learning the vocabulary and encoding, together
HARBOUR_DOCUMENT_BYTES = 400
LIBRARIES_BYTES = 450 * 2**20  # the process before it allocates anything: Python, torch, tokenizers
LEFT_OVER = 60.0  # seconds for evaluation, export and report

Made = TypeVar("Made")


@dataclass(slots=True)
class Plan:
    """The forecast. `problems` are what would stop the run; without one it is ready.

    memory_bytes: at the largest moment of training. tokens: planned by the recipe, unique in the corpus (estimated).
    """

    problems: list[dict[str, str]] = field(default_factory=list)
    parameters: int = 0
    memory_bytes: dict[str, int] = field(default_factory=dict)
    disk_bytes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    step_ms: dict[str, float] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether nothing is known that would stop the run."""
        return not self.problems

    def problem(self, what: str, remedy: str) -> None:
        """Note one more reason why the run would fail."""
        self.problems.append({"what": what, "remedy": remedy})

    def attempt(self, make_it: Callable[[], Made]) -> Made | None:
        """What `make_it` gives; its Fault becomes a problem, so that the others are found too."""
        try:
            return make_it()
        except Fault as fault:
            self.problem(fault.cause, fault.remedy)
            return None

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {"ready": self.ready, **asdict(self)}


def make(resolved: Resolved, run_dir: Path) -> Plan:
    """Forecast a run of the recipe in `run_dir`. Trains a few steps of a model that is thrown away; writes nothing."""
    recipe, plan = resolved.recipe, Plan()
    text_bytes = plan.attempt(lambda: _text_bytes(recipe)) or 0
    device = plan.attempt(lambda: assemble.settle_machine(recipe))
    config = plan.attempt(lambda: assemble.model_config(recipe.model, recipe.tokenizer.vocab_size))
    if (owner := holder(run_dir)) is not None:
        plan.problem(f"{run_dir} is in use by process {owner.get('pid', '?')}", "wait for it, or use another --run-dir")
    if device is None or config is None:
        return plan
    plan.parameters = parameters(config)
    plan.tokens["unique"] = int(text_bytes / BYTES_PER_TOKEN[recipe.tokenizer.kind])
    _memory(recipe, config, plan)
    _time(recipe, config, device, text_bytes, plan)
    _disk(recipe, text_bytes, run_dir, plan)
    return plan


def _text_bytes(recipe: Recipe) -> int:
    """Bytes of text the corpus will hold; exact for plain files, estimated for compressed and generated ones."""
    if recipe.corpus.path is None:
        return recipe.corpus.documents * HARBOUR_DOCUMENT_BYTES
    return content_bytes(recipe.corpus.path)


def _stages(recipe: Recipe) -> dict[str, TrainSettings]:
    stages: dict[str, TrainSettings] = {"pretrain": recipe.pretrain}
    return stages | {"sft": recipe.sft} if recipe.sft.enabled else stages


def _rows(settings: TrainSettings, config: Config) -> int:
    rows = max(1, settings.batch_tokens // config.context_length)
    return min(rows, settings.micro_batch_rows or rows)


def _memory(recipe: Recipe, config: Config, plan: Plan) -> None:
    largest = max(
        (memory(config, _rows(each, config), each.optimizer.kind, CHUNK_ELEMENTS) for each in _stages(recipe).values()),
        key=lambda found: found.total,
    )
    plan.memory_bytes = {"total": largest.total + LIBRARIES_BYTES, **asdict(largest), "libraries": LIBRARIES_BYTES}
    available = psutil.virtual_memory().available
    if plan.memory_bytes["total"] > available:
        plan.problem(
            f"training takes {_gigabytes(plan.memory_bytes['total'])} of memory, {_gigabytes(available)} are free",
            "set pretrain.micro_batch_rows lower, or choose a smaller model.size",
        )


def _time(recipe: Recipe, config: Config, device: torch.device, text_bytes: int, plan: Plan) -> None:
    """Time of every stage from the measured time of a step; a budget is kept, so it is the answer itself."""
    if not plan.ready:
        return
    chosen = precision.resolve(recipe.precision, device)
    expected = text_bytes * PREPARATION_SECONDS + LEFT_OVER
    planned = 0
    for name, settings in _stages(recipe).items():
        seconds = _step_seconds(recipe, config, settings, device, chosen)
        steps = _steps(name, settings, recipe, config, plan.tokens["unique"], expected, seconds)
        plan.step_ms[name], plan.steps[name] = seconds * 1000, steps
        expected += steps * seconds
        planned += steps * settings.batch_tokens if name == "pretrain" else 0
    plan.tokens["planned"] = planned
    plan.seconds = {"low": expected * SPREAD[0], "expected": expected, "high": expected * SPREAD[1]}


def _steps(
    name: str, settings: TrainSettings, recipe: Recipe, config: Config, unique: int, spent: float, seconds: float
) -> int:
    if settings.steps is not None:
        return settings.steps
    tokens = settings.tokens or (int(settings.epochs * unique) if settings.epochs is not None else None)
    if tokens is not None:
        return max(1, tokens // settings.batch_tokens)
    assert recipe.budget is not None, "a checked recipe says how long it trains"
    return max(1, int((recipe.budget - spent) * BUDGET_SHARE[name] / seconds))


def _step_seconds(recipe: Recipe, config: Config, settings: TrainSettings, device: torch.device, chosen: str) -> float:
    """Median seconds of a step on made-up tokens: the same arithmetic as on real ones."""
    model = assemble.fresh_model(config, recipe.seed, device)
    rows = max(1, settings.batch_tokens // config.context_length)
    state = RunState(
        model, assemble.optimizer(model, settings.optimizer), "plan", recipe.seed, _rows(settings, config), chosen
    )
    ids = np.random.default_rng(recipe.seed).integers(0, config.vocab_size, (rows, config.context_length + 1))
    segments = np.zeros((rows, config.context_length), np.int64) if settings.packing == "documents" else None
    batch = Batch(ids[:, :-1], ids[:, 1:], segments)
    seconds = []
    for _ in range(1 + PROBE_STEPS):
        started = time.perf_counter()
        apply(state, gradients(state, batch), 1.0, settings.clip)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def _disk(recipe: Recipe, text_bytes: int, run_dir: Path, plan: Plan) -> None:
    """Everything a run writes: text, tokens, the checkpoints that are kept at once, and the export."""
    weights = plan.memory_bytes["weights"]
    state = weights + plan.memory_bytes["optimizer"]
    kept = sum(settings.keep + 2 for settings in _stages(recipe).values())  # the best and the one being written
    parts = {
        "corpus": text_bytes,
        "tokens": plan.tokens["unique"] * 2,
        "checkpoints": kept * state,
        "export": weights * len(recipe.export.to),
    }
    plan.disk_bytes = {"total": sum(parts.values()), **parts}
    place = next(parent for parent in [run_dir.absolute(), *run_dir.absolute().parents] if parent.exists())
    if not os.access(place, os.W_OK):
        plan.problem(f"{place} can not be written", "choose another place with --run-dir DIR")
    free = shutil.disk_usage(place).free
    if free < RESERVE * plan.disk_bytes["total"]:
        plan.problem(
            f"the run writes about {_gigabytes(plan.disk_bytes['total'])}, {_gigabytes(free)} are free in {place}",
            "free some disk space, choose another --run-dir, or lower pretrain.keep",
        )


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
