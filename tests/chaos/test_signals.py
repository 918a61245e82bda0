"""Asked to stop at any moment: the step it was at is saved, the exit code says so, and no step is made twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from holdfast.base.faults import ExitCode

from . import promises
from .conftest import Bench
from .forkserver import REQUESTS
from .results import count, record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(count(600, 7200))]

SIGNALS = count(40, 200)
INSISTING = count(6, 100)


def steps_made(run_dir: Path) -> list[tuple[str, int]]:
    """Every step that was ever made, also one that was taken back."""
    return [(each["stage"], each["step"]) for each in promises.every(run_dir) if each["kind"] == "step"]


def test_a_run_that_is_asked_to_stop_over_and_over_makes_every_step_once(bench: Bench, tmp_path: Path) -> None:
    chance = random.Random(4)
    stopped: Counter[str] = Counter()
    too_late, runs = 0, 0
    wanted = promises.result(bench.unbroken)
    while stopped.total() < SIGNALS:
        runs += 1
        run_dir = bench.fresh(tmp_path / f"run-{runs}")
        while True:
            number = chance.choice(REQUESTS)
            life = chance.choice([bench.unbroken_seconds, bench.seconds_left(run_dir)])
            again = [(0.0, signal.SIGCONT)] if chance.random() < 0.2 else []  # what SLURM sends along
            ask = [(chance.uniform(0, life), number), *again] if stopped.total() < SIGNALS else []
            outcome = bench.server.run(*bench.words(run_dir), signals=ask)
            assert list(promises.broken(run_dir)) == []
            if outcome.code == ExitCode.DONE:
                too_late += outcome.sent > 0  # everything was done already
                break
            assert outcome.code == ExitCode.STOPPED, bench.server.said()
            made = steps_made(run_dir)
            assert not made or made[-1] == promises.newest_saved(run_dir), "the last step that was made is saved"
            stopped[number.name] += 1
        assert promises.result(run_dir) == wanted
        made = steps_made(run_dir)
        assert made == sorted(set(made)), "no step was lost, so none was made twice"
    total = stopped.total()
    record("signals", {"signals": total, "exit_75": total, "committed": total, "steps_lost": 0, "runs": runs,
                       "by_signal": dict(stopped), "after_the_end": too_late})  # fmt: skip


def test_the_second_interrupt_in_a_row_leaves_at_once_and_costs_nothing_that_was_saved(
    bench: Bench, tmp_path: Path
) -> None:
    chance = random.Random(7)
    wanted = promises.result(bench.unbroken)
    for number in range(INSISTING):
        run_dir = bench.fresh(tmp_path / f"run-{number}")
        twice = [(chance.uniform(0, bench.unbroken_seconds), signal.SIGINT), (chance.uniform(0, 0.02), signal.SIGINT)]
        outcome = bench.server.run(*bench.words(run_dir), signals=twice)
        assert outcome.code in (ExitCode.STOPPED, ExitCode.DONE), bench.server.said()
        assert list(promises.broken(run_dir)) == []
        assert bench.server.run(*bench.words(run_dir)).code == ExitCode.DONE, bench.server.said()
        assert promises.result(run_dir) == wanted
        assert not promises.events(run_dir, "audit_failed")


def held_back(pid: int) -> int:
    """The signals that a process lets wait, one bit each."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1], 16) for line in lines if line.startswith("SigBlk")), 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not show which signals wait")
@pytest.mark.parametrize("number", REQUESTS)
def test_a_request_while_a_cold_process_loads_is_not_missed(
    bench: Bench, tmp_path: Path, number: signal.Signals
) -> None:
    run_dir = bench.fresh(tmp_path / "run")
    command = [sys.executable, "-m", "holdfast", *bench.words(run_dir)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not held_back(process.pid) >> (signal.SIGTERM - 1) & 1:
            assert process.poll() is None, process.communicate()
            time.sleep(0.001)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.STOPPED, err
    assert list(promises.broken(run_dir)) == []
