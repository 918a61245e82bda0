"""Every setting of the guard, when changed, changes what is done."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.records import Report
from holdfast.disk.injection import Injected
from holdfast.train.guard import GuardMemory, RollBack, judge, went_back
from holdfast.train.loop import train
from holdfast.train.sabotage import Sabotage
from holdfast.train.settings import GuardSettings
from holdfast.train.trend import Trend, follow_trend
from tests.train.toy import Notebook, fresh, training

BASE = {"max_rollbacks": 1, "trend_checks": 2, "plateau_checks": 3, "on_trend": "lower_lr", "on_plateau": "lower_lr"}
OTHER: dict[str, Any] = {
    "spike": None,
    "max_skips": 2,
    "max_rollbacks": 2,
    "rollback_lr": 0.25,
    "rollback_steps": 7,
    "on_trend": "rollback",
    "trend_checks": 3,
    "trend_factor": 3.0,
    "trend_lr": 0.9,
    "on_plateau": "log",
    "plateau_checks": 5,
    "patience": 4,
    "grow_steps": 3,
}
LOSSES = [2.0, 2.1] * 20 + [30.0] + [2.0] * 5 + [math.nan] * 30
SCORES = [1.0, 2.0, 2.0, 1.1, 1.1, 1.1, 1.1, 2.0, 2.0, 2.0]


def told(rules: GuardSettings) -> list[Any]:
    """What is done about the same losses and the same validations."""
    seen: list[Any] = []
    memory, trend = GuardMemory(), Trend()
    for position, loss in enumerate(LOSSES):
        verdict, memory = judge(Report(position, loss, 1.0, 8, 8, 1), memory, rules, position, "fp32")
        if isinstance(verdict, RollBack):
            memory = went_back(memory, memory, rules, position, position)
        seen.append((type(verdict).__name__, [memory.factor(step) for step in range(60)]))
    for score in SCORES:
        advice, trend = follow_trend(score, trend, rules)
        seen.append(advice)
    return seen


def parts(rules: GuardSettings, folder: Path) -> list[int]:
    """Rows at once in each step of a run that once ran out of memory."""
    notes = Notebook()
    train(fresh(), training(folder, notes, rules=rules, sabotage=Sabotage([Injected("oom", 2)])))
    return [each["micro_batch_rows"] for each in notes.of("step")]


def test_all_of_them_are_tried() -> None:
    assert OTHER.keys() == GuardSettings.model_fields.keys()


@pytest.mark.parametrize("name", [name for name in OTHER if name != "grow_steps"])
def test_it_has_an_effect(name: str) -> None:
    usual = told(GuardSettings(**BASE))
    assert told(GuardSettings(**BASE)) == usual
    assert told(GuardSettings(**BASE | {name: OTHER[name]})) != usual


def test_growing_has_an_effect(tmp_path: Path) -> None:
    usual = parts(GuardSettings(**BASE), tmp_path / "usual")
    assert parts(GuardSettings(**BASE | {"grow_steps": OTHER["grow_steps"]}), tmp_path / "other") != usual
