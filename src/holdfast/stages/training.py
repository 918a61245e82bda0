"""What pretraining and fine-tuning share: from a lesson (a stage as data) to a horizon, a state and the one loop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.base.draws import draw
from holdfast.base.records import Batch, Score
from holdfast.evals.bits_per_byte import bits_per_byte
from holdfast.evals.samples import Form, write_samples
from holdfast.feed.feed import Feed
from holdfast.infer.engine import Engine
from holdfast.infer.sample import SamplingParams
from holdfast.model.config import Config, config_to_dict
from holdfast.model.count import parameters
from holdfast.optim.schedule import multiplier
from holdfast.stages import assemble
from holdfast.stages.horizon import Horizon, budget_steps, fixed_steps, settle
from holdfast.stages.run import Run
from holdfast.stages.stage import read_record
from holdfast.tokenizer.codec import Tokenizer
from holdfast.train import precision
from holdfast.train.loop import Cadence, Training, train
from holdfast.train.settings import TrainSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, batch_loss, gradients
from holdfast.vault.store import Vault
from holdfast.vault.verify import digests

CHECKPOINTS = "checkpoints"
WORTHWHILE_EPOCHS = 4  # repeating data is almost as good as new data up to here (Muennighoff et al. 2023)
PROBE_STEPS = 6
PROBE_WARMUP = 2  # the first steps pay for memory that later ones reuse


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training stage as data: all in which it differs from the others.

    first_weights: puts the starting weights into a freshly built model.
    """

    name: str
    settings: TrainSettings
    config: Config
    tokenizer: Tokenizer
    feed: Feed
    held_out: Feed
    first_weights: Callable[[nn.Module], None]
    prompts: Sequence[str]
    form: Form


def learn(run: Run, lesson: Lesson) -> dict[str, Any]:
    """Train, from the newest valid checkpoint if there is one. Returns the facts for the stage's record."""
    device = assemble.settle_machine(run.recipe)
    folder = run.dir / lesson.name
    horizon = settle(
        folder,
        precision=lambda: precision.resolve(run.recipe.precision, device),
        steps=lambda chosen: _length(run, lesson, device, chosen),
    )
    run.say(f"{lesson.name}: {parameters(lesson.config):,} parameters, {horizon.origin}, {horizon.precision}")
    _warn_of_repetition(run, lesson, horizon)
    state = _fresh_state(run, lesson, device, horizon.precision)
    vault = Vault(folder, run.journal.incarnation)
    _resume(run, state, vault)
    train(state, _training(run, lesson, state, vault, horizon))
    return _facts(lesson, state, vault, horizon)


def _warn_of_repetition(run: Run, lesson: Lesson, horizon: Horizon) -> None:
    """Say so when the same text is read so often that more of it would help more than more steps."""
    epochs = horizon.total_steps * lesson.feed.rows / lesson.feed.rows_per_epoch
    if epochs > WORTHWHILE_EPOCHS:
        run.say(f"{lesson.name}: the text is read {epochs:.0f} times; beyond {WORTHWHILE_EPOCHS} more text helps more")


def _fresh_state(run: Run, lesson: Lesson, device: torch.device, chosen: str) -> RunState:
    model = assemble.fresh_model(lesson.config, run.recipe.seed, device)
    lesson.first_weights(model)
    return RunState(
        model=model,
        optimizer=assemble.optimizer(model, lesson.settings.optimizer),
        stage=lesson.name,
        seed=run.recipe.seed,
        micro_batch_rows=lesson.settings.micro_batch_rows or lesson.feed.rows,
        precision=chosen,
    )


def _resume(run: Run, state: RunState, vault: Vault) -> None:
    """Become the newest checkpoint that verifies; damaged ones are set aside, and said so."""
    checkpoint = vault.newest_valid()
    for name, why in vault.rejected.items():
        run.say(f"{state.stage}: checkpoint {name} is damaged and was set aside: {why}")
    if checkpoint is None:
        return
    state.restore(checkpoint.manifest, vault.load(checkpoint))
    run.record("event", event="resume", stage=state.stage, step=state.step, checkpoint=checkpoint.path.name)


def _length(run: Run, lesson: Lesson, device: torch.device, chosen: str) -> tuple[int, str]:
    fixed = fixed_steps(lesson.settings, lesson.feed.rows_per_epoch, lesson.config.context_length)
    if fixed is not None:
        return fixed
    records = [read_record(folder) for folder in run.dir.iterdir() if folder.is_dir()]
    earlier = sum(record["wall_seconds"] for record in records if record and record["status"] == "done")
    return budget_steps(lesson.name, run.recipe.budget, earlier, step_seconds(run, lesson, device, chosen))


def step_seconds(run: Run, lesson: Lesson, device: torch.device, chosen: str) -> float:
    """Median seconds of a real training step, measured on a state that is thrown away."""
    state = _fresh_state(run, lesson, device, chosen)
    seconds = []
    for index in range(PROBE_STEPS):
        started = time.perf_counter()
        report = gradients(state, lesson.feed.batch_at(index))
        apply(state, report, 1.0, lesson.settings.clip)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[PROBE_WARMUP:])


def _training(run: Run, lesson: Lesson, state: RunState, vault: Vault, horizon: Horizon) -> Training:
    settings = lesson.settings
    schedule = assemble.schedule(settings.schedule)
    return Training(
        feed=lesson.feed,
        vault=vault,
        total_steps=horizon.total_steps,
        learning_rate=settings.optimizer.learning_rate,
        multiplier=lambda step: multiplier(schedule, step, horizon.total_steps),
        clip=settings.clip,
        cadence=Cadence(
            save_steps=settings.save_steps,
            save_seconds=None if settings.save_minutes is None else settings.save_minutes * 60,
            evaluate_steps=settings.eval_steps,
            sample_steps=settings.sample_steps,
            keep=settings.keep,
        ),
        evaluate=partial(_validate, lesson, state),
        sample=partial(_sample, run, lesson, state),
        record=run.record,
        manifest={
            "fingerprint": _wanted(run.dir / lesson.name),
            "tokenizer_fingerprint": lesson.tokenizer.fingerprint,
            "model": config_to_dict(lesson.config),
            "horizon": horizon.total_steps,
            "seed": run.recipe.seed,
            "exactness": exactness(state),
        },
        stop=run.stop,
    )


def exactness(state: RunState) -> dict[str, Any]:
    """What must be the same elsewhere for the same bits to come out."""
    return {
        "precision": state.precision,
        "device": state.device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _wanted(folder: Path) -> str:
    record = read_record(folder)
    assert record is not None, "a stage that works has begun"
    return str(record["fingerprint"])


def _validate(lesson: Lesson, state: RunState) -> list[Score]:
    return [validation(state.model, state.precision, lesson.held_out, lesson.tokenizer, lesson.settings.eval_tokens)]


def validation(model: nn.Module, chosen: str, held_out: Feed, tokenizer: Tokenizer, tokens: int) -> Score:
    """Bits per byte of a model on held-out rows, in evaluation mode and without touching its mode afterwards."""
    was_training = model.training
    model.eval()

    def nats(batch: Batch) -> float:
        with torch.inference_mode():
            return float(batch_loss(model, batch, chosen))

    try:
        return bits_per_byte(nats, held_out, tokenizer.token_bytes(), tokens, assemble.VALIDATION_ROWS)
    finally:
        model.train(was_training)


def _sample(run: Run, lesson: Lesson, state: RunState) -> list[dict[str, Any]]:
    settings = run.recipe.evaluate
    params = SamplingParams(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=draw(settings.seed, lesson.name, "sample") % 2**31,
    )
    return write_samples(Engine(state.model), lesson.tokenizer, lesson.prompts, params, lesson.form)


def _facts(lesson: Lesson, state: RunState, vault: Vault, horizon: Horizon) -> dict[str, Any]:
    newest = vault.checkpoints()[-1]
    return {
        "fingerprint": digests(newest)["model"],
        "checkpoint": newest.path.name,
        "steps": state.step,
        "tokens": state.tokens,
        "unique_tokens": lesson.feed.trained_tokens_per_epoch,
        "parameters": parameters(lesson.config),
        "precision": horizon.precision,
        "origin": horizon.origin,
        "skipped": state.guard.skipped,
    }
