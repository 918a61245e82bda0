"""The stretches of a line are those between its forks, each with the settings of its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from holdfast.stages.inspection.line import Line, line_of
from holdfast.stages.recipe import Recipe, resolve
from holdfast.stages.resuming.changes import Change
from holdfast.stages.resuming.origin import rebased
from holdfast.vault.store import Checkpoint, Vault


def end(folder: Path, step: int) -> Checkpoint:
    state = {part: {"x": torch.ones(1)} for part in ("model", "optimizer")}
    return Vault(folder, 1).save(step, state, {"stage": "pretrain", "horizon": step}, ["stage_end"])


def steps(first: int, last: int, total: int) -> list[dict[str, Any]]:
    return [{"kind": "step", "step": step, "total_steps": total} for step in range(first, last + 1)]


def fork(step: int, setting: str, old: Any, new: Any) -> dict[str, Any]:
    change = Change(setting, old, new, "trajectory")
    return {"kind": "event", "event": "fork", "step": step, "changes": [change.to_dict()]}


def recipe(*words: str) -> Recipe:
    return resolve("demo", ["budget=null", "sft.steps=5", *words]).recipe


def found(line: Line) -> list[tuple[int, int, int | None, float]]:
    return [
        (each.last, each.horizon, each.recipe.pretrain.steps, each.recipe.pretrain.optimizer.learning_rate)
        for each in line.stretches
    ]


def test_a_line_without_a_fork_is_one_stretch(tmp_path: Path) -> None:
    line = line_of(
        [*steps(1, 12, 10), {"kind": "decision", "verdict": "skip"}], end(tmp_path, 10), recipe("pretrain.steps=10")
    )
    assert found(line) == [(10, 10, 10, recipe().pretrain.optimizer.learning_rate)]
    assert (line.known, sorted(line.steps), line.skipped) == (0, list(range(1, 11)), 1)


def test_each_stretch_has_the_settings_of_its_time(tmp_path: Path) -> None:
    now = recipe("pretrain.steps=20", "pretrain.optimizer.learning_rate=0.5")
    records = [
        *steps(1, 4, 10),
        fork(4, "pretrain.steps", 10, 15),
        fork(4, "pretrain.steps", 10, 20),  # the start before was killed before its first step
        *steps(5, 8, 20),
        fork(8, "pretrain.optimizer.learning_rate", 0.25, 0.5),
        *steps(9, 12, 20),
    ]
    line = line_of(records, end(tmp_path, 12), now)
    assert found(line) == [(4, 10, 10, 0.25), (8, 20, 20, 0.25), (12, 20, 20, 0.5)]


def test_what_is_not_on_record_ends_the_way_back(tmp_path: Path) -> None:
    records = [*steps(5, 8, 8), fork(4, "settings and data", "abc", "def")]
    line = line_of(records, end(tmp_path, 8), recipe("pretrain.steps=8"))
    assert (line.known, [each.last for each in line.stretches]) == (4, [8])


def test_a_place_in_the_data_in_batches_of_another_size() -> None:
    assert rebased(7, 128, 64) == 14
    assert rebased(7, 64, 128) == 3, "the first row of the fourth batch is read again"
    assert rebased(7, 64, 64) == 7
    assert all(rebased(position, was, size) * size <= position * was
               for position in range(40) for was in (1, 2, 3) for size in (1, 2, 5))  # fmt: skip
