"""What the guard costs, how often it is wrong, and what it sees: on real loss curves of many small models.

python bench/guard.py    writes bench/results/guard.json; about 8 minutes

Each course trains a small model on the built-in texts with its own batch, rate, optimizer and order. Every step goes
through the guard: a verdict other than to apply it is a false alarm. Now and then a batch of noise is measured, not
applied: a verdict other than to leave it out is a miss.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.base.records import Batch
from holdfast.journal.journal import Journal
from holdfast.model.sizes import size_config
from holdfast.stages import assemble
from holdfast.stages.run import environment
from holdfast.text.harbour import documents
from holdfast.train.guard import Apply, GuardMemory, judge
from holdfast.train.settings import GuardSettings, OptimizerSettings
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients

RESULTS = Path(__file__).parent / "results" / "guard.json"
VOCAB, SMALL = 256, {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "num_kv_heads": 2, "intermediate_size": 64}
POISON_EVERY = 250
POISON_FROM = 0.05  # of a course: before that noise costs a model hardly more than text does
RULES = GuardSettings()


@dataclass(frozen=True, slots=True)
class Course:
    """One training. in_order: the text is read as it stands, so that neighbouring batches are alike."""

    optimizer: str
    rows: int
    context: int
    rate: float
    steps: int
    in_order: bool = False


COURSES = (
    Course("adamw", 4, 32, 3e-3, 20_000),
    Course("adamw", 1, 32, 1e-3, 20_000),
    Course("adamw", 2, 16, 3e-2, 15_000),
    Course("adamw", 4, 32, 3e-3, 15_000, in_order=True),
    Course("adamw", 1, 128, 3e-3, 10_000, in_order=True),
    Course("muon", 4, 32, 3e-3, 10_000),
    Course("muon", 1, 16, 1e-3, 10_000, in_order=True),
)


def text() -> NDArray[np.int64]:
    """The built-in stories as bytes."""
    joined = "\n".join(document.text for document in islice(documents(10_000, seed=1), 10_000))
    return np.frombuffer(joined.encode("utf-8"), np.uint8).astype(np.int64)


def course(number: int, settings: Course, ids: NDArray[np.int64]) -> dict[str, Any]:
    """Train, ask the guard about each step and about noise, and count where it was wrong."""
    config = size_config("tiny", VOCAB, settings.context, **SMALL)
    model = assemble.fresh_model(config, number, torch.device("cpu"))
    optimizer = assemble.optimizer(model, OptimizerSettings(kind=settings.optimizer, learning_rate=settings.rate))
    state = RunState(model, optimizer, "bench", number, settings.rows, "fp32")
    chance, alarms, poisoned, missed, seconds = np.random.default_rng(number), [], 0, 0, 0.0
    span = settings.rows * settings.context
    for position in range(settings.steps):
        state.position = position
        if position % POISON_EVERY == 0 and position > POISON_FROM * settings.steps:
            noise = chance.integers(0, VOCAB, (settings.rows, settings.context + 1))
            report = gradients(state, Batch(noise[:, :-1], noise[:, 1:]))
            poisoned += 1
            missed += isinstance(judge(report, state.guard, RULES, position, "fp32")[0], Apply)
        if settings.in_order:
            starts = (position * span + np.arange(settings.rows) * settings.context) % (len(ids) - settings.context - 1)
        else:
            starts = chance.integers(0, len(ids) - settings.context - 1, settings.rows)
        rows = np.stack([ids[start : start + settings.context + 1] for start in starts])
        report = gradients(state, Batch(rows[:, :-1], rows[:, 1:]))
        began = time.perf_counter()
        verdict, memory = judge(report, state.guard, RULES, position, "fp32")
        seconds += time.perf_counter() - began
        if isinstance(verdict, Apply):
            state.guard = memory
        else:  # applied all the same: the course is a clean one
            alarms.append({"step": position, "reason": verdict.reason})
        apply(state, report, scale(position, settings.steps), 1.0)
        state.step += 1
    return {
        "course": asdict(settings), "false_alarms": alarms, "noise_batches": poisoned, "noise_missed": missed,
        "judge_microseconds": seconds / settings.steps * 1e6, "final_loss": report.loss,
    }  # fmt: skip


def scale(step: int, steps: int) -> float:
    """Warmup over two hundredths, then a cosine to a tenth."""
    warm = min(1.0, (step + 1) / (0.02 * steps))
    return warm * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def cost() -> dict[str, float]:
    """Milliseconds of a step at the size `tiny`, and of the guard's verdict and the journal's record of it."""
    config = size_config("tiny", 512, 256)
    model = assemble.fresh_model(config, 1, torch.device("cpu"))
    state = RunState(model, assemble.optimizer(model, OptimizerSettings()), "bench", 1, 8, "fp32")
    ids = np.random.default_rng(1).integers(0, 512, (8, 257))
    steps, verdicts, records = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder) / "journal")
        for number in range(180):
            times = [time.perf_counter()]
            report = gradients(state, Batch(ids[:, :-1], ids[:, 1:]))
            times.append(time.perf_counter())
            _, state.guard = judge(report, state.guard, RULES, number, "fp32")
            times.append(time.perf_counter())
            apply(state, report, 0.01, 1.0)
            times.append(time.perf_counter())
            journal.append("step", stage="bench", step=number, loss=report.loss, grad_norm=report.grad_norm, tokens=1,
                           learning_rate=0.1, step_ms=1.0, tokens_per_second=1.0)  # fmt: skip
            times.append(time.perf_counter())
            measure, verdict, move, record = (later - earlier for earlier, later in pairwise(times))
            steps.append(measure + move)
            verdicts.append(verdict)
            records.append(record)
        journal.close()
    step, verdict, record = (statistics.median(each[-50:]) * 1000 for each in (steps, verdicts, records))
    return {"step_ms": step, "verdict_ms": verdict, "record_ms": record, "share": (verdict + record) / step}


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    ids = text()
    found = []
    for number, settings in enumerate(COURSES):
        found.append(course(number, settings, ids))
        print(json.dumps(found[-1]), flush=True)
    memory = len(json.dumps(GuardMemory(losses=(0.123456789012345,) * 128, norms=(0.123456789012345,) * 128).to_dict()))
    result = {
        "environment": environment(),
        "clean_steps": sum(settings.steps for settings in COURSES),
        "false_alarms": sum(len(each["false_alarms"]) for each in found),
        "noise_batches": sum(each["noise_batches"] for each in found),
        "noise_missed": sum(each["noise_missed"] for each in found),
        "cost_at_tiny": cost(),
        "memory_bytes_in_manifest": memory,
        "courses": found,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "courses"}, indent=2))


if __name__ == "__main__":
    main()
