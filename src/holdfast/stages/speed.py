"""How fast a model trains in the processes that this one is among: a few real steps on made-up tokens."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from holdfast.base.ranks import place
from holdfast.base.records import Batch
from holdfast.model.config import Config, config_from_dict
from holdfast.model.count import flops_per_token
from holdfast.model.recompute import set_recompute
from holdfast.stages import assemble
from holdfast.stages.processes import CORE_FLOPS, Question
from holdfast.stages.settings import PretrainSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients
from holdfast.train.sync import gather

STEPS, WARMUP = 4, 1  # measured, and before them
STEP_SECONDS = 0.7  # a batch that takes longer, about, is measured by a part of it
SEED = 7


def tokens_per_second(question: Question, listens: int | None) -> float:
    """Of all processes together; each of them asks. listens: the socket on which the first one hears the others."""
    here, config = place(), config_from_dict(question.model)
    assemble.settle_process(question.cores // here.world_size, kernels=question.kernels)
    settings = PretrainSettings.model_validate(question.stage)
    rows, context = _rows(question, config), config.context_length
    with gather(here, listens) as ranks:
        model = assemble.fresh_model(config, SEED, torch.device("cpu"))
        # what memory decides is the same for all ways
        set_recompute(model, "none" if settings.recompute == "auto" else settings.recompute)
        optimizer = assemble.optimizer(model, settings.optimizer, ranks)
        micro = settings.micro_batch_rows or rows
        state = RunState(model, optimizer, "speed", SEED, micro, question.precision)
        seconds = []
        for step in range(WARMUP + STEPS):
            batch = _batch(step, rows, config, packed=settings.packing == "documents")
            share = batch.rows(here.rank * rows // here.world_size, (here.rank + 1) * rows // here.world_size)
            ranks.meet()
            started = time.perf_counter()
            report = gradients(state, share, batch.trained_tokens, ranks)
            measured = time.perf_counter()
            apply(state, report, 1.0, settings.clip)
            seconds.append((measured - started) * question.rows / rows + time.perf_counter() - measured)
        return question.rows * context / statistics.median(seconds[WARMUP:])


def _rows(question: Question, config: Config) -> int:
    """As many as a short step has, and as all ways of dividing can share evenly."""
    affordable = STEP_SECONDS * question.cores * CORE_FLOPS / (flops_per_token(config) * config.context_length)
    most = max(question.candidates)
    return min(question.rows, max(1, int(affordable / most)) * most)


def _batch(step: int, rows: int, config: Config, *, packed: bool) -> Batch:
    ids = np.random.default_rng(step).integers(0, config.vocab_size, (rows, config.context_length + 1))
    segments = np.zeros((rows, config.context_length), np.int64) if packed else None
    return Batch(ids[:, :-1], ids[:, 1:], segments)
