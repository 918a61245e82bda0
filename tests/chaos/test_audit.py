"""A resumed run compares what it makes again with its journal: whatever was tampered with is told, and nothing else."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode

from . import promises
from .conftest import Bench
from .results import count, record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(count(600, 7200))]

SAVED, KILLED = 8, 13  # steps: what lies between them is made again
EVERY = f"pretrain.save_steps={SAVED}"
BITS = count(8, 100)

Meddle = tuple[str, dict[str, Any]]


def meddlings() -> Iterator[tuple[str, Meddle]]:
    """What is done to a run between two starts, by kind."""
    chance = random.Random(6)
    for batch in range(SAVED, KILLED):
        yield "random numbers", ("other_dropout", {"batch": batch})
        yield "order of the data", ("other_order", {"batch": batch})
    for factor in (0.5, 1 - 1e-7, 1 + 1e-7, 2.0):
        yield "learning rate", ("other_rate", {"factor": factor})
    for number in range(BITS):
        part, bit = ("model", "optimizer")[number % 2], chance.randrange(32)
        yield f"one bit of the {part}", ("flipped_bit", {"part": part, "place": chance.random(), "bit": bit})


def flagged(bench: Bench, run_dir: Path, code: int) -> bool:
    """Whether the run said that it can not be trusted to be the one it was."""
    if code == ExitCode.FAILED:
        return "is not what was read from" in bench.server.said().splitlines()[-2]
    assert code == ExitCode.DONE, bench.server.said()
    doubts = [each for each in promises.every(run_dir) if "may differ in the last bits" in each.get("text", "")]
    return bool(doubts or promises.events(run_dir, "audit_failed"))


@pytest.fixture
def interrupted(bench: Bench, tmp_path: Path) -> Path:
    """A run that was killed some steps after its last checkpoint."""
    run_dir = bench.fresh(tmp_path / "interrupted")
    assert bench.server.run(*bench.words(run_dir, EVERY), faults=f"kill@{KILLED}").code == -signal.SIGKILL
    assert promises.newest_saved(run_dir) == ("pretrain", SAVED)
    return run_dir


def test_everything_that_was_tampered_with_is_told(bench: Bench, interrupted: Path, tmp_path: Path) -> None:
    told: Counter[str] = Counter()
    for number, (kind, meddle) in enumerate(meddlings()):
        run_dir = tmp_path / str(number)
        shutil.copytree(interrupted, run_dir)
        outcome = bench.server.run(*bench.words(run_dir, EVERY, "--until", "pretrain"), meddle=meddle)
        assert flagged(bench, run_dir, outcome.code), f"{kind}: {meddle}"
        told[kind] += 1
    record("audit", {"tampered": told.total(), "told": told.total(), "by_kind": dict(told)})


def test_another_number_of_threads_is_told(bench: Bench, interrupted: Path) -> None:
    words = bench.words(interrupted, EVERY, "threads=2")
    bench.server.run(*words, faults=f"kill@{SAVED + 1}")  # two threads on a busy core are slow
    assert flagged(bench, interrupted, ExitCode.DONE)
    assert not promises.events(interrupted, "audit_failed"), "nobody expects the same bits of it"


def test_what_was_made_under_other_conditions_is_not_what_a_step_is_held_to(bench: Bench, interrupted: Path) -> None:
    """A start with two threads made steps that nothing was saved of; the next one has a single thread, as the first."""
    other = bench.words(interrupted, EVERY, "threads=2")
    bench.server.run(*other, faults=f"kill@{KILLED}", meddle=("other_rate", {"factor": 2.0}))
    assert [each["step"] for each in promises.every(interrupted) if each["kind"] == "step"][-1] == KILLED
    outcome = bench.server.run(*bench.words(interrupted, EVERY, "--until", "pretrain"))
    assert not promises.events(interrupted, "audit_failed"), bench.server.said()
    assert outcome.code == ExitCode.DONE


def test_a_clean_resume_raises_no_alarm(bench: Bench, interrupted: Path) -> None:
    outcome = bench.server.run(*bench.words(interrupted, EVERY, "--until", "pretrain"))
    assert not flagged(bench, interrupted, outcome.code)
    assert [each["step"] for each in promises.events(interrupted, "audited")] == [KILLED]
