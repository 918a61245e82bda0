"""What a run will need, before it starts: every problem at once, then memory, disk, time and tokens.

Three sources, each in its file: `forecast` is arithmetic, `survey` reads a sample of the text, `probe` trains a few
steps. Where something was measured, that is what counts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from holdfast.base.faults import Fault
from holdfast.disk.files import read_json
from holdfast.feed.write import MANIFEST_FILE
from holdfast.infer.engine import Limits
from holdfast.journal.metrics import resident_bytes, words_for_seconds
from holdfast.model.config import Config
from holdfast.model.count import parameters
from holdfast.stages.horizon import FEWEST_STEPS, budget_steps
from holdfast.stages.pipeline import STAGES
from holdfast.stages.planning import forecast
from holdfast.stages.planning.checks import Case, Problem, examine, short_of_disk, time_left, too_large
from holdfast.stages.planning.probe import Trial, try_out, warm_up
from holdfast.stages.planning.survey import survey
from holdfast.stages.processes import foreseen
from holdfast.stages.recipe import Recipe, Resolved
from holdfast.stages.report import JSON as REPORT
from holdfast.stages.resuming.choice import AS_IT_IS
from holdfast.stages.resuming.review import review
from holdfast.stages.run import IDENTITY, holder
from holdfast.stages.sizing import sized, told
from holdfast.stages.training import WORTHWHILE_EPOCHS
from holdfast.train import precision
from holdfast.train.memory import ROOM, free_memory, out_of_memory
from holdfast.train.settings import TrainSettings
from holdfast.vault.store import Vault

START_SECONDS = 3.0  # loading, before the first stage
EXPORT_SECONDS = 12.0  # another process loads what was written and compares
BESIDE_BYTES = 24 * 2**20  # of a run and not of its plan: tokens being read, event files, the thread that saves
SLOWER, FASTER = 1.5, 0.85  # at least: machines slow down more often than they speed up
CHAT_FRAME_TOKENS = 9  # of a short conversation, where each turn begins and ends


@dataclass(slots=True)
class Plan:
    """The forecast. `problems` are what would stop the run; without one it is ready.

    memory_bytes:   by what for, each at its own largest; `total` at the largest moment, measured where it could be.
    measured_bytes: of this process, or of the GPU, at the largest moment of training, evaluating, sampling and saving.
    disk_bytes:     what the run writes at its most. seconds: to the end, `low` to `high`; parts of it in `seconds_for`.
    tokens:         planned by the recipe, unique in the corpus.
    processes:      how training divides the cores, in words; steps are measured in one process.
    notes:          lines for people that stop nothing.
    """

    problems: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parameters: int = 0
    device: str = ""
    processes: str = ""
    precision: str = ""
    memory_bytes: dict[str, int] = field(default_factory=dict)
    measured_bytes: dict[str, int] = field(default_factory=dict)
    disk_bytes: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    seconds_for: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    step_ms: dict[str, float] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether nothing is known that would stop the run."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {"ready": self.ready, **asdict(self)}


def make(resolved: Resolved, run_dir: Path, faults: Sequence[Fault] = (), *, measure: bool = True) -> Plan:
    """Forecast a run of the recipe in `run_dir`. Writes nothing.

    faults: what is wrong with the recipe itself; the rest is forecast as well as it can be without it.
    measure: train a few steps of a model that is thrown away, and read a sample of the text.
    """
    resolved, unsized = _sized(resolved, run_dir)
    recipe = resolved.recipe
    case = examine(recipe, run_dir, [stage.name for stage in STAGES if stage.wanted(recipe)])
    case.problems[:0] = [Problem(fault.cause, fault.remedy) for fault in (*faults, *unsized)]
    plan = Plan()
    if (sizes := told(resolved)) is not None:
        plan.notes.append(sizes)
    _run_dir(case, plan)
    if case.device is not None and case.device.type == "cpu" and case.trains:
        plan.processes = case.attempt(lambda: foreseen(recipe, run_dir)) or ""
    if case.config is not None:
        plan.parameters = parameters(case.config)
        _estimated(case, case.config, plan)
        if measure and case.device is not None and not case.problems:
            _measured(case, case.config, case.device, plan)
    plan.problems = [problem._asdict() for problem in case.problems]
    return plan


def _sized(resolved: Resolved, run_dir: Path) -> tuple[Resolved, list[Fault]]:
    """With the sizes that the recipe leaves open; as it is, and why, where they can not be told."""
    try:
        return sized(resolved, run_dir), []
    except Fault as fault:
        return resolved, [fault]


def _run_dir(case: Case, plan: Plan) -> None:
    """Whether the run is at work, at its end, or half done under other settings."""
    run_dir = case.run_dir
    if (owner := holder(run_dir)) is not None:
        where = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
        case.problems.append(Problem(f"{run_dir} is in use by {where}", "wait for it, or use another --run-dir"))
    if (run_dir / IDENTITY).exists() and not case.problems:
        wanted = [stage for stage in STAGES if stage.wanted(case.recipe)]
        start = case.attempt(lambda: review(wanted, case.recipe, run_dir, AS_IT_IS))
        if start is not None and not start.pending and (run_dir / REPORT).exists():
            plan.notes.append(f"{run_dir} is finished: there is nothing to do")


def _estimated(case: Case, config: Config, plan: Plan) -> None:
    """What can be told without trying: the sizes."""
    recipe = case.recipe
    per_token = forecast.bytes_per_token(recipe.tokenizer.kind, config.vocab_size)
    tokens = {"pretrain": int(case.text_bytes / per_token), "sft": int(case.chat_bytes / per_token)}
    steps = {name: forecast.steps_of(each, tokens[name]) for name, each in forecast.trained(recipe).items()}
    plan.tokens["unique"] = tokens["pretrain"]
    plan.disk_bytes = forecast.disk(recipe, config, case.text_bytes, tokens, steps, {})
    if case.device is not None:
        _memory(recipe, config, case.device, "fp32" if recipe.precision == "auto" else recipe.precision, plan)


def _memory(recipe: Recipe, config: Config, device: torch.device, chosen: str, plan: Plan) -> None:
    found = asdict(forecast.most_memory(recipe, config, device, chosen, ROOM * free_memory(device)))
    libraries = resident_bytes() + BESIDE_BYTES if device.type == "cpu" else 0
    plan.device, plan.precision = device.type, chosen
    plan.memory_bytes = found | {"libraries": libraries, "total": found["total"] + libraries}


def _measured(case: Case, config: Config, device: torch.device, plan: Plan) -> None:
    """Sizes and times from a sample of the text and a few real steps."""
    recipe = case.recipe
    chosen = precision.resolve(recipe.precision, device, recipe.precision_fallback, recipe.fp8)
    warm_up(device)
    _memory(recipe, config, device, chosen, plan)
    trials = _trials(case, config, device, plan)  # before the survey, which leaves memory behind
    read = case.attempt(lambda: survey(recipe, case.text_bytes))
    if trials is None or read is None:
        return
    tokens = _tokens(case, read.tokens)
    plan.seconds_for["prepare"] = read.seconds if case.unfinished("tokens") else 0.0
    spent = START_SECONDS + plan.seconds_for["prepare"]
    for name, settings in forecast.trained(recipe).items():
        step = statistics.median(trials[name].steps)
        steps = _steps(case, name, settings, tokens[name], spent, step)
        plan.steps[name], plan.step_ms[name] = steps, step * 1000
        plan.seconds_for[name] = _stage_seconds(settings, steps - _reached(case, name), trials[name])
        spent += plan.seconds_for[name]
    plan.seconds_for["finish"] = _finish_seconds(recipe, trials)
    _interval(plan, trials, START_SECONDS + sum(plan.seconds_for.values()))
    _starts(plan, time_left(recipe))
    _count_tokens(recipe, tokens, plan)
    plan.disk_bytes = forecast.disk(recipe, config, case.text_bytes, tokens, plan.steps, plan.seconds_for)
    case.problems += short_of_disk(case, plan.disk_bytes["total"])


def _reached(case: Case, stage: str) -> int:
    """The step from which a stage goes on."""
    checkpoints = Vault(case.run_dir / stage).checkpoints()
    return checkpoints[-1].step if checkpoints else 0


def _tokens(case: Case, read: int) -> dict[str, int]:
    """Those of the corpus, as they are where they were made already, and those of the conversations, about."""
    made = 0
    for split in ("train", "val"):
        path = case.run_dir / "tokens" / split / MANIFEST_FILE
        made += int(read_json(path)["tokens"]) if path.exists() else 0
    per_byte = read / max(1, case.text_bytes)
    conversations = case.chat_bytes // forecast.HARBOUR_CONVERSATION_BYTES
    return {"pretrain": made or read, "sft": int(case.chat_bytes * per_byte) + conversations * CHAT_FRAME_TOKENS}


def _trials(case: Case, config: Config, device: torch.device, plan: Plan) -> dict[str, Trial] | None:
    """One for each stage that trains; None where memory does not suffice, which is a problem then."""
    trials = {}
    try:
        for name, settings in forecast.trained(case.recipe).items():
            free = ROOM * free_memory(device)
            portion = forecast.portion_of(case.recipe, name, config, device, plan.precision, free)
            trials[name] = try_out(case.recipe, settings, config, device, plan.precision, portion)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        case.problems.append(too_large(plan.memory_bytes["total"], free_memory(device)))
        return None
    for trial in trials.values():
        for phase, size in trial.peaks.items():
            plan.measured_bytes[phase] = max(size, plan.measured_bytes.get(phase, 0))
    beside = BESIDE_BYTES if device.type == "cpu" else 0
    plan.memory_bytes["total"] = max(plan.measured_bytes.values()) + beside
    return trials


def _steps(case: Case, name: str, settings: TrainSettings, tokens: int, spent: float, step: float) -> int:
    """How many steps a stage has; a budget that leaves no time for any is a problem."""
    steps = forecast.steps_of(settings, tokens)
    if steps is not None:
        return steps
    budget = case.recipe.budget
    steps, _ = budget_steps(name, budget, spent, step)
    if budget is not None and steps <= FEWEST_STEPS:
        what = f"the budget of {budget:.0f} s leaves no time for {name}: {spent:.0f} s are gone before, and a step"
        case.problems.append(
            Problem(
                f"{what} takes {step:.2f} s", f"raise budget to {_enough(spent, step)} or more, or say {name}.steps"
            )
        )
    return steps


def _enough(spent: float, step: float) -> str:
    return f"{max(1, round((spent + 100 * step) * 2 / 60))}min"


def _stage_seconds(settings: TrainSettings, steps: int, trial: Trial) -> float:
    """Of so many steps, and of what comes between them: validations, samples and the waiting for saves."""
    steps = max(0, steps)
    stepping = steps * statistics.median(trial.steps)
    rounds = steps // settings.eval_steps if settings.eval_steps else 0
    samples = steps // settings.sample_steps if settings.sample_steps else 0
    saved = steps // settings.save_steps if settings.save_steps else 0
    beside = (rounds + 1) * settings.eval_tokens * trial.evaluate + (samples + 1) * trial.sample
    return stepping + beside + (saved + rounds + 1) * trial.save


def _finish_seconds(recipe: Recipe, trials: Mapping[str, Trial]) -> float:
    """The evaluation of every stage that trained, the questions to the last one, and the exports."""
    evaluated = sum(recipe.evaluate.bits_per_byte_tokens * trial.evaluate + trial.sample for trial in trials.values())
    if "sft" in trials:  # a batch of questions is wider than a round of samples, and shorter
        evaluated += math.ceil(recipe.evaluate.questions / Limits().rows) * trials["sft"].sample
    return evaluated + EXPORT_SECONDS * len(recipe.export.to)


def _interval(plan: Plan, trials: Mapping[str, Trial], expected: float) -> None:
    """As far as the measured steps lie apart, and no narrower than machines usually are steady."""
    slowest = max(max(trial.steps) / statistics.median(trial.steps) for trial in trials.values())
    quickest = min(min(trial.steps) / statistics.median(trial.steps) for trial in trials.values())
    low, high = expected * min(FASTER, quickest), expected * max(SLOWER, slowest)
    plan.seconds = {"low": low, "expected": expected, "high": high}


def _starts(plan: Plan, left: float) -> None:
    """Whether one start suffices, where the time of each is limited."""
    if (expected := plan.seconds["expected"]) > left > 0:
        limit, starts = words_for_seconds(left), math.ceil(expected / left)
        plan.notes.append(f"a start has {limit}: it stops by itself, saved, and {starts} of them are needed")


def _count_tokens(recipe: Recipe, tokens: Mapping[str, int], plan: Plan) -> None:
    plan.tokens = {"planned": plan.steps["pretrain"] * recipe.pretrain.batch_tokens, "unique": tokens["pretrain"]}
    if plan.tokens["planned"] > WORTHWHILE_EPOCHS * plan.tokens["unique"]:
        epochs = plan.tokens["planned"] / max(1, plan.tokens["unique"])
        plan.notes.append(f"the text is read {epochs:.0f} times; beyond {WORTHWHILE_EPOCHS} more text helps more")
