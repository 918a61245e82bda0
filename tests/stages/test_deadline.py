"""How long a start has: the recipe's limit or the end of a scheduler's job, whichever comes first."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest

from holdfast.base.faults import Stopped
from holdfast.stages.deadline import MARGIN, SLURM_END, seconds_left
from holdfast.stages.pipeline import run
from holdfast.stages.planning.checks import examine
from holdfast.stages.planning.plan import Plan, _starts
from holdfast.stages.recipe import resolve

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("limit", "end", "left"),
    [
        (None, None, math.inf),
        (3600.0, None, 3600.0),
        (None, NOW + 7200, 7200 - MARGIN),
        (3600.0, NOW + 7200, 3600.0),
        (36000.0, NOW + 7200, 7200 - MARGIN),
        (None, NOW - 10, -10 - MARGIN),
    ],
)
def test_whichever_comes_first(limit: float | None, end: float | None, left: float) -> None:
    environment = {} if end is None else {SLURM_END: f"{end:.0f}"}
    assert seconds_left(limit, NOW, environment) == pytest.approx(left)


@pytest.mark.parametrize("said", ["", "unknown", "-1", "2026-11-20T10:00:00"])
def test_a_scheduler_that_says_nothing_readable_limits_nothing(said: str) -> None:
    assert seconds_left(None, NOW, {SLURM_END: said}) == math.inf


def test_too_little_time_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = resolve("smoke", ["corpus.generator=harbour"]).recipe
    assert not examine(recipe, tmp_path / "run", []).problems
    monkeypatch.setenv(SLURM_END, f"{time.time() + MARGIN + 5:.0f}")
    (problem,) = examine(recipe, tmp_path / "run", []).problems
    assert "too little to get anything done" in problem.what


def test_the_plan_counts_the_starts() -> None:
    plan = Plan(seconds={"expected": 7000.0})
    _starts(plan, math.inf)
    _starts(plan, 7001.0)
    assert plan.notes == []
    _starts(plan, 3600.0)
    assert plan.notes == ["a start has 1h00m: it stops by itself, saved, and 2 of them are needed"]


@pytest.mark.slow
def test_a_run_of_several_limited_starts_comes_to_its_end(tmp_path: Path) -> None:
    """Each start is stopped by the clock with everything saved, so that the next one goes on."""
    words = ["corpus.generator=harbour", "corpus.documents=200", "pretrain.steps=400", "sft.enabled=false"]
    words += ["export.to=[]", "threads=1", "precision=fp32", "model.context_length=64", "evaluate.prompts=[]"]
    limited, stops = resolve("smoke", [*words, "time_limit=2s"]), []
    while len(stops) < 40:
        try:
            run(limited, tmp_path / "run", quiet=True, examine=False)
            break
        except Stopped as stopped:
            stops.append(stopped.cause)
    assert stops
    assert all("stopped by the time limit" in cause for cause in stops)
    report = json.loads((tmp_path / "run" / "report.json").read_text("utf-8"))
    assert report["stages"]["pretrain"]["status"] == "done"
