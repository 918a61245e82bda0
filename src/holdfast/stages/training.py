"""What pretraining and fine-tuning share: from a lesson (a stage as data) to a horizon, a state and the one loop."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.base.faults import Fault
from holdfast.base.ranks import place
from holdfast.disk import injection
from holdfast.evals.samples import Form
from holdfast.feed.feed import Feed
from holdfast.model.config import Config, config_to_dict
from holdfast.model.count import parameters
from holdfast.model.recompute import set_recompute
from holdfast.native import ops
from holdfast.optim.schedule import multiplier
from holdfast.optim.shares import Dealt
from holdfast.stages import assemble, compiling
from holdfast.stages.horizon import Horizon, Means, budget_seconds, budget_steps, fixed_steps, settle
from holdfast.stages.lookout import looked_after
from holdfast.stages.looks import Looks
from holdfast.stages.planning import forecast
from holdfast.stages.ranks import start_alike
from holdfast.stages.recipe import Recipe
from holdfast.stages.resuming.healing import go_back
from holdfast.stages.resuming.origin import resume
from holdfast.stages.run import Run
from holdfast.stages.stage import TRAINED, read_record
from holdfast.tokenizer.codec import Tokenizer
from holdfast.train import precision
from holdfast.train.ahead import one_ahead
from holdfast.train.compiled import as_written
from holdfast.train.guard import FIRST_SCALE, GuardMemory
from holdfast.train.loop import train
from holdfast.train.memory import ROOM, free_memory, room_for
from holdfast.train.proof import prove
from holdfast.train.sabotage import Sabotage
from holdfast.train.saving import HEALTHY_STEPS, Cadence
from holdfast.train.settings import TrainSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients
from holdfast.train.training import Training
from holdfast.vault.store import Policy, Vault
from holdfast.vault.verify import digests

CHECKPOINTS = "checkpoints"
WORTHWHILE_EPOCHS = 4  # repeating data is almost as good as new data up to here (Muennighoff et al. 2023)
PROBE_STEPS = 6
FEWEST_TO_MEASURE = 500  # steps: fewer are not worth the two micro-batches that tell how long they would take
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
    if run.ranks.rank > 0:
        return _join(run, lesson, device)
    run.ranks.share(lesson.name)  # all is prepared
    folder = run.dir / lesson.name
    horizon = settle(
        folder,
        _wanted(folder),
        means=lambda: _means(run, lesson, device),
        steps=lambda means: _length(run, lesson, device, means),
    )
    run.ranks.share(asdict(horizon))
    together = f", {run.ranks.world_size} processes" if run.ranks.world_size > 1 else ""
    run.say(f"{lesson.name}: {parameters(lesson.config):,} parameters, {horizon.origin}, {horizon.precision}{together}")
    if device.type == "cpu" and (why := ops.missing()) is not None:
        run.say(f"{lesson.name}: slower than it could be, without compiled kernels: {why}")
    _warn_of_repetition(run, lesson, horizon)
    state = ready_state(run, lesson, device, horizon)
    vault = Vault(folder, run.journal.incarnation)
    training = training_of(run, lesson, state, vault, horizon)
    checkpoint, journaled = resume(run, state, vault, training.manifest)
    start_alike(run.ranks, state)
    _prove(run, lesson, state)
    with looked_after(run, state, lesson.settings) as lookout:
        training = replace(training, resumed_from=checkpoint, journaled=journaled, lookout=lookout)
        while (back := train(state, training)) is not None:
            vault, checkpoint = go_back(run, state, vault, back)
            start_alike(run.ranks, state)
            training = replace(training, vault=vault, resumed_from=checkpoint, journaled={})
    return _facts(lesson, state, vault, horizon)


def _means(run: Run, lesson: Lesson, device: torch.device) -> Means:
    """What is settled on this machine before anything is trained."""
    chosen = _number_format(run, device)
    free, machine = ROOM * free_memory(device) / place().local_world_size, (lesson.config, device, chosen)
    portion = forecast.portion_of(run.recipe, lesson.name, *machine, free, run.ranks.world_size)
    fewer = portion.rows if portion.rows < len(lesson.feed.share) else None
    means = Means(precision=chosen, micro_batch_rows=fewer, recompute=portion.recompute)
    if run.recipe.compile != "auto":
        return means
    run.ranks.share({"measure": "compiled", "means": asdict(means)})  # what comes next is for all of them
    return replace(means, compiled=_compiled(run, lesson, device, means))


def _compiled(run: Run, lesson: Lesson, device: torch.device, means: Means) -> str | None:
    """How to compile the layers, tried by all ranks."""
    fixed = fixed_steps(lesson.settings, lesson.feed.rows_per_epoch, lesson.config.context_length)
    if fixed is not None and fixed[0] < FEWEST_TO_MEASURE:
        return None
    if fixed is None and not compiling.worth_trying(device.type, _budgeted(run, lesson)):
        return None
    state = fresh_state(run, lesson, device, means)
    parts = math.ceil(len(lesson.feed.share) / state.micro_batch_rows)

    def planned(seconds: float) -> float:
        return _budgeted(run, lesson) if fixed is None else fixed[0] * parts * seconds

    return compiling.choose(run, state, lesson.feed.batch_at(0), planned)


def _number_format(run: Run, device: torch.device) -> str:
    """That of the recipe, or what it names instead where this device can not do it; then that is said."""
    recipe = run.recipe
    chosen = precision.resolve(recipe.precision, device, recipe.precision_fallback, recipe.fp8)
    if recipe.precision not in ("auto", chosen):
        run.say(f"training in {chosen}: {precision.shortfall(recipe.precision, device, recipe.fp8)}")
    return chosen


def _prove(run: Run, lesson: Lesson, state: RunState) -> None:
    """Show on a real batch that training does what the settings say. Raises Fault when it does not."""
    with as_written(state):  # other shapes than those that are trained with
        proof = prove(state, lesson.feed.batch_at(state.position), str(state.model.recompute))
    run.record("event", event="proof", stage=lesson.name, step=state.step, text=f"{lesson.name}: {proof.words}",
               **proof.to_dict())  # fmt: skip
    if proof.failures:
        raise Fault(
            f"{lesson.name} would not be what the recipe says: {'; '.join(proof.failures)}",
            "this is a fault of this version or of the installed PyTorch: try precision=fp32, and report it",
        )


def _join(run: Run, lesson: Lesson, device: torch.device) -> dict[str, Any]:
    """`learn` for the other ranks: with the first one's horizon, from its state, to the same end. No facts."""
    told = run.ranks.share()
    while "measure" in told:  # no horizon yet: the first rank measures something, which takes all of them
        measure = {"compiled": _compiled, "step": step_seconds}[told["measure"]]
        measure(run, lesson, device, Means(**told["means"]))
        told = run.ranks.share()
    horizon = Horizon(**told)
    state = ready_state(run, lesson, device, horizon)
    start_alike(run.ranks, state)
    training = training_of(run, lesson, state, Vault(run.dir / lesson.name), horizon)
    with looked_after(run, state, lesson.settings) as lookout:
        while train(state, replace(training, lookout=lookout)) is not None:
            start_alike(run.ranks, state)
    return {}


def _warn_of_repetition(run: Run, lesson: Lesson, horizon: Horizon) -> None:
    """Say so when the same text is read so often that more of it would help more than more steps."""
    epochs = horizon.total_steps * lesson.feed.rows / lesson.feed.rows_per_epoch
    if epochs > WORTHWHILE_EPOCHS:
        run.say(f"{lesson.name}: the text is read {epochs:.0f} times; beyond {WORTHWHILE_EPOCHS} more text helps more")


def ready_state(run: Run, lesson: Lesson, device: torch.device, means: Means) -> RunState:
    """The state before the first step, its layers compiled where that was settled or asked for. Called by all ranks."""
    state = fresh_state(run, lesson, device, means)
    asked = run.recipe.compile
    mode = means.compiled if asked == "auto" else compiling.USUAL if asked == "on" else None
    compiling.compiles(run, state, lesson.feed.batch_at(0), mode)
    return state


def fresh_state(run: Run, lesson: Lesson, device: torch.device, means: Means) -> RunState:
    """The state before the first step."""
    with room_for("the model with its optimizer"):  # which has all of its state before the first step
        model = assemble.fresh_model(lesson.config, run.recipe.seed, device)
        optimizer = assemble.optimizer(model, lesson.settings.optimizer, run.ranks)
    asked = lesson.settings
    set_recompute(model, means.recompute if asked.recompute == "auto" else asked.recompute)
    if run.ranks.rank == 0:
        lesson.first_weights(model)
    return RunState(
        model=model,
        optimizer=optimizer,
        stage=lesson.name,
        seed=run.recipe.seed,
        micro_batch_rows=asked.micro_batch_rows or means.micro_batch_rows or lesson.feed.rows,
        precision=means.precision,
        guard=GuardMemory(loss_scale=FIRST_SCALE if means.precision == "fp16" else 1.0),
    )


def _length(run: Run, lesson: Lesson, device: torch.device, means: Means) -> tuple[int, str]:
    fixed = fixed_steps(lesson.settings, lesson.feed.rows_per_epoch, lesson.config.context_length)
    if fixed is not None:
        return fixed
    run.ranks.share({"measure": "step", "means": asdict(means)})  # what comes next is for all of them
    seconds = step_seconds(run, lesson, device, means)
    return budget_steps(lesson.name, run.recipe.budget, _spent(run), seconds)


def _budgeted(run: Run, lesson: Lesson) -> float:
    return budget_seconds(lesson.name, run.recipe.budget, _spent(run))


def _spent(run: Run) -> float:
    """Seconds that the stages before this one took."""
    records = [read_record(folder) for folder in run.dir.iterdir() if folder.is_dir()]
    return sum(record["wall_seconds"] for record in records if record and record["status"] == "done")


def step_seconds(run: Run, lesson: Lesson, device: torch.device, means: Means) -> float:
    """Median seconds of a real training step, measured by all ranks on a state that is thrown away."""
    state = ready_state(run, lesson, device, means)
    seconds = []
    for index in range(PROBE_STEPS):
        started = time.perf_counter()
        batch = lesson.feed.batch_at(index)
        (trained,) = run.ranks.total(batch.trained_tokens)
        report = gradients(state, batch, int(trained), run.ranks)
        apply(state, report, 1.0, lesson.settings.clip)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[PROBE_WARMUP:])


def training_of(run: Run, lesson: Lesson, state: RunState, vault: Vault, horizon: Horizon) -> Training:
    """All that the loop needs to train `state`."""
    settings = lesson.settings
    schedule = assemble.schedule(settings.schedule)
    sabotage = Sabotage(injection.from_environment(run.ranks.rank))
    looks = Looks(
        run, state, lesson.held_out, lesson.tokenizer, settings.eval_tokens, lesson.prompts, lesson.form, sabotage
    )
    return Training(
        feed=one_ahead(lesson.feed, state.device),
        vault=vault,
        policy=policy(run.dir, run.recipe, lesson.name),
        total_steps=horizon.total_steps,
        learning_rate=settings.optimizer.learning_rate,
        multiplier=lambda step: multiplier(schedule, step, horizon.total_steps),
        clip=settings.clip,
        cadence=_cadence(run, lesson),
        evaluate=looks.evaluate,
        sample=looks.sample,
        record=run.record,
        sync=run.journal.commit,
        manifest={
            "fingerprint": _wanted(run.dir / lesson.name),
            "tokenizer_fingerprint": lesson.tokenizer.fingerprint,
            "model": config_to_dict(lesson.config),
            "horizon": horizon.total_steps,
            "seed": run.recipe.seed,
            "world_size": run.ranks.world_size,
            "exactness": exactness(state, run.ranks.shares),
        },
        stop=run.stop,
        ranks=run.ranks,
        sabotage=sabotage,
        rules=run.recipe.guard,
    )


def _cadence(run: Run, lesson: Lesson) -> Cadence:
    settings, checkpoints = lesson.settings, run.recipe.checkpoints
    epochs = checkpoints.milestone_epochs
    return Cadence(
        save_steps=settings.save_steps,
        save_seconds=None if settings.save_minutes is None else settings.save_minutes * 60,
        evaluate_steps=settings.eval_steps,
        sample_steps=settings.sample_steps,
        milestone_steps=checkpoints.milestone_steps,
        milestone_batches=None if epochs is None else epochs * lesson.feed.rows_per_epoch / lesson.feed.rows,
        risk_seconds=checkpoints.risk_minutes * 60,
        background=checkpoints.background,
    )


def policy(run_dir: Path, recipe: Recipe, stage: str) -> Policy:
    """What retention keeps of one stage; of the disk budget the other stages have their part already."""
    checkpoints, settings = recipe.checkpoints, getattr(recipe, stage)
    taken = sum(Vault(run_dir / name).bytes for name in TRAINED if name != stage)
    budget = checkpoints.disk_budget_gb
    return Policy(
        newest=settings.keep,
        best=checkpoints.keep_best,
        emergency=checkpoints.keep_emergency,
        probation=HEALTHY_STEPS,
        milestones=checkpoints.milestones,
        budget=None if budget is None else max(0, int(budget * 1e9) - taken),
    )


def exactness(state: RunState, world_size: int) -> dict[str, Any]:
    """What must be the same elsewhere for the same bits to come out."""
    one_memory = {"one_memory": True} if isinstance(state.optimizer, Dealt) else {}  # else every rank makes every step
    return {
        "precision": state.precision,
        "device": state.device.type,
        "threads": torch.get_num_threads(),
        "kernels": ops.in_use(),
        "world_size": world_size,
        "micro_batch_rows": state.micro_batch_rows,
        "torch": torch.__version__,
        **({} if state.compiled is None else {"compiled": state.compiled}),
        **one_memory,
    }


def _wanted(folder: Path) -> str:
    record = read_record(folder)
    assert record is not None, "a stage that works has begun"
    return str(record["fingerprint"])


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
