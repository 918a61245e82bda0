"""A few real steps, an evaluation, a few samples and the copy that a save makes, of a model that is thrown away: what
they take of memory and time on this machine. Nothing is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psutil
import torch

from holdfast.base.records import Batch
from holdfast.infer.engine import Engine
from holdfast.infer.sample import SamplingParams
from holdfast.model.config import Config, TransformerConfig
from holdfast.model.recompute import set_recompute
from holdfast.stages import assemble
from holdfast.stages.planning import forecast
from holdfast.stages.recipe import Recipe
from holdfast.train.saving import Snapshot
from holdfast.train.settings import OptimizerSettings, TrainSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, batch_loss, gradients

FEWEST_STEPS, MOST_STEPS = 2, 8  # measured, behind one that only warms up
ENOUGH_SECONDS = 3.0  # of measured steps
LOOK_SECONDS = 0.002
MICRO_BATCHES = 2  # the second meets the gradients of the first; those after it are like it
PHASES = ("train", "evaluate", "sample", "save")


@dataclass(slots=True)
class Trial:
    """What was measured of one stage.

    peaks:    phase -> bytes of this process (on a GPU, of the device) at the largest moment of it.
    steps:    seconds of each measured step, all micro-batches of it.
    evaluate: seconds per held-out token. sample: seconds of one round. save: seconds that the loop waits for one.
    """

    peaks: dict[str, int] = field(default_factory=dict)
    steps: list[float] = field(default_factory=list)
    evaluate: float = 0.0
    sample: float = 0.0
    save: float = 0.0


def try_out(
    recipe: Recipe,
    settings: TrainSettings,
    config: Config,
    device: torch.device,
    precision: str,
    portion: forecast.Portion,
) -> Trial:
    """Train on made-up tokens: the same arithmetic as on real ones."""
    rows, micro = forecast.batch_rows(settings, config), portion.rows
    trial = Trial()
    model = assemble.fresh_model(config, recipe.seed, device)
    set_recompute(model, portion.recompute)
    state = RunState(model, assemble.optimizer(model, settings.optimizer), "plan", recipe.seed, micro, precision)
    few = min(rows, MICRO_BATCHES * micro)
    batch = made_up_batch(few, config, recipe.seed, packed=settings.packing == "documents")
    with _watched(trial, "train", device):
        _step(state, batch, rows / few, settings.clip)
    with _watched(trial, "save", device) as took:
        if recipe.checkpoints.background:
            snapshot = Snapshot()
            snapshot.take(state.tensors())
    trial.save = took()
    with _watched(trial, "evaluate", device) as took:
        _evaluate(state, config)
    trial.evaluate = took() / (assemble.VALIDATION_ROWS * config.context_length)
    with _watched(trial, "sample", device) as took:
        _sample(recipe, state, config)
    trial.sample = took()
    with _watched(trial, "train", device) as took:
        while len(trial.steps) < FEWEST_STEPS or (took() < ENOUGH_SECONDS and len(trial.steps) < MOST_STEPS):
            trial.steps.append(_step(state, batch, rows / few, settings.clip))
    return trial


def warm_up(device: torch.device) -> None:
    """Have the libraries take what they take with the first products, by a step of the smallest network."""
    toy = TransformerConfig(64, 32, 32, 1, 2, 2, 64)
    model = assemble.fresh_model(toy, 1, device)
    state = RunState(model, assemble.optimizer(model, OptimizerSettings()), "plan", 1, 2, "fp32")
    _step(state, made_up_batch(4, toy, 1, packed=False), 1.0, None)


@contextmanager
def _watched(trial: Trial, phase: str, device: torch.device) -> Iterator[Callable[[], float]]:
    """Note the largest memory inside the block. Gives a clock that starts with it."""
    started = time.perf_counter()
    with Peak(device) as peak:
        yield lambda: time.perf_counter() - started
    trial.peaks[phase] = max(trial.peaks.get(phase, 0), peak.bytes)


class Peak:
    """The largest memory between the beginning and the end of a block: of the device, or of this process.

    A process is looked at every few milliseconds, by a thread; what lasts for less is overlooked.
    """

    def __init__(self, device: torch.device) -> None:
        self.bytes = 0
        self._cuda = device if device.type == "cuda" else None
        self._process = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        if self._cuda is not None:
            torch.cuda.reset_peak_memory_stats(self._cuda)
        else:
            self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._cuda is not None:
            self.bytes = torch.cuda.max_memory_reserved(self._cuda)
            return
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        self.bytes = max(self.bytes, self._process.memory_info().rss)


def made_up_batch(rows: int, config: Config, seed: int, *, packed: bool) -> Batch:
    """Random tokens. packed: with segments, all of one document."""
    ids = np.random.default_rng(seed).integers(0, config.vocab_size, (rows, config.context_length + 1))
    segments = np.zeros((rows, config.context_length), np.int64) if packed else None
    return Batch(ids[:, :-1], ids[:, 1:], segments)


def _step(state: RunState, batch: Batch, times: float, clip: float | None) -> float:
    """Seconds of a step whose batch is `times` as large."""
    started = time.perf_counter()
    report = gradients(state, batch)
    measured = time.perf_counter()
    apply(state, report, 1.0, clip)
    return (measured - started) * times + time.perf_counter() - measured


def _evaluate(state: RunState, config: Config) -> None:
    batch = made_up_batch(assemble.VALIDATION_ROWS, config, state.seed, packed=False)
    state.model.eval()
    with torch.inference_mode():
        batch_loss(state.model, batch, state.precision)
    state.model.train()


def _sample(recipe: Recipe, state: RunState, config: Config) -> None:
    asked = recipe.evaluate
    length = min(forecast.PROMPT_TOKENS, config.context_length - 1)
    prompts = [[0] * max(1, length)] * len(asked.prompts)
    params = SamplingParams(max_tokens=asked.max_tokens, temperature=asked.temperature, seed=asked.seed)
    if prompts:
        Engine(state.model).complete_batch(prompts, params)
