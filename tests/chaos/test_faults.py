"""Faults in the learning itself: the run heals, and its journal tells all that was decided: a replay has its bits."""

from __future__ import annotations

import random
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode
from holdfast.stages.inspection.outcome import is_finite, led_to
from holdfast.vault.verify import digests

from . import promises
from .conftest import Bench
from .results import FULL, count, record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(count(600, 7200))]

SCRIPTS = count(4, 50)
STEPS = 60
LONGER = (  # long and fast enough for the guard to know what is normal
    *("--until", "pretrain", f"pretrain.steps={STEPS}", "pretrain.optimizer.learning_rate=0.01"),
)
IMPATIENT = ("alarms.hang_minutes=0.05", "alarms.on_hang=exit")
LEARNING = ("nan", "inf", "nan-grad", "spike", "lr", "oom")
BURST = 7  # more than may be left out in a row
SAVED = 4  # the step of the first checkpoint: before it there is nothing to go back to
ENDS = (0, ExitCode.STOPPED, ExitCode.DISK, -signal.SIGKILL)  # and then it is started again
TOLERANCE = 0.1

SAME, HEALED, HALTED = "the same bits as undisturbed", "healed", "halted"
# fault -> what it must come to
MATRIX = {
    "nan@20": HEALED,
    "inf@20": HEALED,
    "nan-grad@20": HEALED,
    ",".join(f"nan@{batch}" for batch in range(40, 40 + BURST)): HEALED,
    "spike@50": HEALED,
    "lr@50": HEALED,
    "oom@20": HEALED,
    "oom-evaluate@2": SAME,
    "oom-sample@2": SAME,
    "oom-save@2": SAME,
    "slow@20": SAME,
    "hang@20": SAME,
    "kill@20": SAME,
    "term@20": SAME,
    "enospc@any:60": SAME,
    "crash-before@rename:3": SAME,
    "torn@write:30": SAME,
}
SHORT = ("nan@20", "spike@50", "oom@20", "oom-save@2", "term@20")  # of them, in the ordinary suite


def lasting(faults: str) -> str:
    """Those that are in the batches, and so strike in every start."""
    return ",".join(fault for fault in faults.split(",") if fault.partition("@")[0] in LEARNING)


def brought_to_its_end(bench: Bench, run_dir: Path, faults: str, *words: str) -> list[int]:
    """The exit codes of all starts of a run, of which the first one has all the faults."""
    codes = [bench.server.run(*bench.words(run_dir, *LONGER, *words), faults=faults).code]
    while codes[-1] != 0 and codes[-1] in ENDS and len(codes) < 10:
        codes.append(bench.server.run(*bench.words(run_dir, *LONGER, *words), faults=lasting(faults)).code)
    return codes


def is_replayed(bench: Bench, run_dir: Path, faults: str) -> bool:
    """Whether a replay comes to the same bits; noise in the data is in what it reads too."""
    noise = ",".join(fault for fault in faults.split(",") if fault.startswith("spike"))
    return bench.server.run("replay", str(run_dir), "--json", faults=noise).code == 0


def validation(run_dir: Path) -> float:
    """The last one of the pretraining."""
    scores = [each["value"] for each in promises.journal(run_dir) if each["kind"] == "eval"]
    return float(scores[-1])


def state(run_dir: Path) -> Any:
    newest = promises.newest(run_dir, "pretrain")
    assert newest is not None
    return newest.step, digests(newest)


def script(chance: random.Random) -> str:
    """One to three faults of the learning, now and then too many in a row, and what ends a process in between."""
    faults = []
    for _ in range(chance.randint(1, 3)):
        name, at = chance.choice(LEARNING), chance.randint(1, STEPS)
        burst = name in ("nan", "inf", "nan-grad") and at > SAVED and chance.random() < 0.4
        many = BURST if burst else 1
        faults += [f"{name}@{batch}" for batch in range(at, at + many)]
    ends = ["kill@{}", "term@{}", "int@{}", "usr1@{}", "enospc@any:{}", "crash-before@any:{}", "torn@write:{}"]
    faults += [each.format(chance.randint(2, STEPS)) for each in chance.sample(ends, chance.randint(0, 2))]
    return ",".join(dict.fromkeys(faults))


def test_a_replay_reproduces_a_run_that_was_healed(bench: Bench, tmp_path: Path) -> None:
    chance = random.Random(11)
    decided: Counter[str] = Counter()
    starts = halted = 0
    for number in range(SCRIPTS):
        faults = script(chance)
        run_dir = bench.fresh(tmp_path / f"run-{number}")
        codes = brought_to_its_end(bench, run_dir, faults)
        assert codes[-1] in (0, ExitCode.DIVERGED), f"{faults}: {codes}\n{bench.server.said()}"
        assert list(promises.broken(run_dir)) == [], faults
        assert is_finite(run_dir), faults
        assert is_replayed(bench, run_dir, faults), f"{faults}: {codes}\n{bench.server.said()}"
        assert not promises.events(run_dir, "audit_failed"), faults
        decided += led_to(run_dir)
        starts += len(codes)
        halted += codes[-1] == ExitCode.DIVERGED
    figures = {"scripts": SCRIPTS, "bit_equal": SCRIPTS, "halted": halted, "starts": starts}
    record("replayed-faults", figures | {"decided": dict(decided.most_common())})


def test_every_fault_comes_to_what_is_promised(bench: Bench, tmp_path: Path) -> None:
    unbroken = bench.fresh(tmp_path / "unbroken")
    assert brought_to_its_end(bench, unbroken, "") == [0]
    wanted, score = state(unbroken), validation(unbroken)
    rows = []
    for number, faults in enumerate(MATRIX if FULL else SHORT):
        run_dir = bench.fresh(tmp_path / f"run-{number}")
        codes = brought_to_its_end(bench, run_dir, faults, *(IMPATIENT if "hang" in faults else ()))
        assert codes[-1] == 0, f"{faults}: {codes}\n{bench.server.said()}"
        assert list(promises.broken(run_dir)) == [], faults
        assert is_finite(run_dir), faults
        worse = validation(run_dir) / score - 1
        if MATRIX[faults] == SAME:
            assert state(run_dir) == wanted, faults
        else:
            assert is_replayed(bench, run_dir, faults), f"{faults}\n{bench.server.said()}"
            assert worse < TOLERANCE, faults
        decided = dict(led_to(run_dir) - led_to(unbroken))
        rows.append({"fault": re.sub(r"(,nan@\d+)+", f" to {39 + BURST}", faults), "decided": decided,
                     "exit_codes": codes, "outcome": MATRIX[faults], "worse": worse})  # fmt: skip
    record("faults", {"steps": STEPS, "rows": rows})
