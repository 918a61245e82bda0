"""Interrupted after any step, a stage goes on as if nothing had happened: same losses, same weights, same optimizer."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from holdfast.base.faults import ExitCode

from . import promises
from .conftest import STEPS, Bench
from .results import FULL, count, record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(count(600, 7200))]

CASES = [
    ("pretrain", "kill", "fp32"),
    ("sft", "term", "fp32"),
    *([("pretrain", "term", "fp32"), ("sft", "kill", "fp32"), ("pretrain", "kill", "bf16")] if FULL else []),
]


@pytest.mark.parametrize(("stage", "how", "precision"), CASES)
def test_resumed_after_every_step(bench: Bench, tmp_path: Path, stage: str, how: str, precision: str) -> None:
    more = ("--until", stage, f"precision={precision}")
    code = -signal.SIGKILL if how == "kill" else ExitCode.STOPPED
    unbroken = bench.before(stage, tmp_path / "unbroken")
    assert bench.server.run(*bench.words(unbroken, *more)).code == 0, bench.server.said()
    wanted = promises.trained(unbroken, stage)
    audited = 0
    steps = range(1, STEPS[stage] + 1, 1 if FULL or stage == "pretrain" else 3)
    for step in steps:
        run_dir = bench.before(stage, tmp_path / f"run-{step}")
        assert bench.server.run(*bench.words(run_dir, *more), faults=f"{how}@{step}").code == code
        assert list(promises.broken(run_dir)) == []
        made = [each["step"] for each in promises.every(run_dir) if each["kind"] == "step" and each["stage"] == stage]
        assert made[-1] == step, "the fault struck there"
        assert bench.server.run(*bench.words(run_dir, *more)).code == 0, bench.server.said()
        assert promises.trained(run_dir, stage) == wanted, f"interrupted after step {step}"
        assert not promises.events(run_dir, "audit_failed")
        audited += len(promises.events(run_dir, "audited"))
    figures = {"resumes": len(steps), "bit_equal": len(steps), "audited": audited}
    record(f"every-step-{stage}-{how}-{precision}", figures)
