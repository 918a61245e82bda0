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


def told(rules: GuardSettings, folder: Path) -> list[Any]:
    """What is done about the same losses, the same validations and the same lack of memory."""
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
    notes = Notebook()
    train(fresh(), training(folder, notes, rules=rules, sabotage=Sabotage([Injected("oom", 2)])))
    return [*seen, [each["micro_batch_rows"] for each in notes.of("step")]]


def test_all_of_them_are_tried() -> None:
    assert OTHER.keys() == GuardSettings.model_fields.keys()


@pytest.mark.parametrize("name", OTHER)
def test_it_has_an_effect(name: str, tmp_path: Path) -> None:
    usual = told(GuardSettings(**BASE), tmp_path / "usual")
    assert told(GuardSettings(**BASE), tmp_path / "again") == usual
    assert told(GuardSettings(**BASE | {name: OTHER[name]}), tmp_path / "other") != usual
