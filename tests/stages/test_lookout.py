"""Looking after a stage: what the first rank gets, what the others get, and what is known of earlier starts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from holdfast.journal.alarms import BLOCK, RECENT
from holdfast.journal.journal import Journal
from holdfast.journal.settings import AlarmSettings
from holdfast.stages.lookout import looked_after
from holdfast.train.settings import TrainSettings

QUIET = AlarmSettings(hang_minutes=None, memory=None, disk_gb=None)


def run(folder: Path, alarms: AlarmSettings = QUIET, rank: int = 0) -> Any:
    journal = Journal.open(folder / "journal")
    ranks = SimpleNamespace(rank=rank, world_size=2)
    recipe = SimpleNamespace(alarms=alarms)
    return SimpleNamespace(dir=folder, journal=journal, ranks=ranks, recipe=recipe, record=journal.append)


def state() -> Any:
    tensors = {"model": {"w": torch.zeros(1000)}, "optimizer": {"w.m": torch.zeros(2000)}}
    return SimpleNamespace(stage="pretrain", device=torch.device("cpu"), tensors=lambda: tensors)


def alarms_of(here: Any, settings: TrainSettings, **measured: Any) -> list[str]:
    """The names of the alarms of a stage whose steps are all like this."""
    found: list[str] = []

    def record(kind: str, **fields: Any) -> None:
        found.append(fields["alarm"])

    with looked_after(here, state(), settings) as lookout:
        for step in range(1, 3 * RECENT):
            facts = {"step": step, "saved": step, "seconds": 1.0, "tokens": 64, "loss": 3.0, "save_seconds": None}
            lookout.look(record, "pretrain", **facts | measured)
    here.journal.close()
    return found


def test_speed_is_compared_with_earlier_starts(tmp_path: Path) -> None:
    first = run(tmp_path)
    for step in range(BLOCK):
        first.record("step", stage="pretrain", step=step, tokens_per_second=640.0)
    assert alarms_of(first, TrainSettings()) == []
    assert alarms_of(run(tmp_path), TrainSettings()) == ["throughput"]
    assert alarms_of(run(tmp_path, QUIET.model_copy(update={"throughput": None})), TrainSettings()) == []


def test_the_save_interval_is_that_of_the_stage(tmp_path: Path) -> None:
    assert alarms_of(run(tmp_path), TrainSettings(save_steps=20), saved=0) == ["checkpoint_overdue"]
    assert alarms_of(run(tmp_path), TrainSettings(save_steps=2000), saved=0) == []


@pytest.mark.parametrize("rank", [0, 1])
def test_only_the_first_rank_raises_alarms(tmp_path: Path, rank: int) -> None:
    alarms = AlarmSettings(hang_minutes=None, disk_gb=10.0**9)
    assert alarms_of(run(tmp_path, alarms, rank), TrainSettings()) == (["disk_low"] if rank == 0 else [])
