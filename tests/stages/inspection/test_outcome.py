"""What became of a run, read from its journal, its checkpoints and its scores."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.disk.files import write_json
from holdfast.journal.alarms import Alarm
from holdfast.journal.journal import Journal
from holdfast.stages.inspection.outcome import is_finite, led_to, slowest_step, validations
from holdfast.vault.store import Vault


def test_decisions_alarms_and_failures_are_counted_also_those_that_were_taken_back(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal")
    for step in (1, 2):
        journal.append("decision", stage="pretrain", step=step, verdict="skip", reason="")
        journal.append("step", stage="pretrain", step=step, step_ms=500.0 * step)
    journal.append("event", stage="pretrain", event="resume", step=0, position=0)
    journal.append("decision", stage="pretrain", step=0, verdict="rollback", reason="")
    journal.append("event", event="save_failed", stage="pretrain", text="not saved")
    journal.append("event", event="note", text="all is well")
    journal.append("event", **Alarm("disk_low", "700 MB are free").fields())
    journal.append("event", **Alarm("disk_low", "over", over=True).fields())
    journal.close()
    assert led_to(tmp_path) == {"skip": 2, "rollback": 1, "save failed": 1, "alarm: disk low": 1}
    assert slowest_step(tmp_path) == 1.0


def saved(run_dir: Path, stage: str, weight: float, moment: float) -> None:
    fields: dict[str, Any] = {
        "stage": stage, "tokens": 1, "position": 1, "fingerprint": "f", "tokenizer_fingerprint": "t", "model": {},
        "horizon": 1, "seed": 1, "micro_batch_rows": 1, "best": None, "evaluated": None, "guard": {}, "optimizer": {},
    }  # fmt: skip
    tensors = {"model": {"w": torch.tensor([1.0, weight])}, "optimizer": {"w.m": torch.tensor([moment])}}
    Vault(run_dir / stage, 1).save(1, tensors, fields, ["stage_end"])


def test_one_number_that_is_none_is_found_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.vault.store.not_finite", lambda tensors: None)  # or it would not be saved
    for name, sft in (("sound", (1.0, 1.0)), ("weight", (math.nan, 1.0)), ("moment", (1.0, math.inf))):
        saved(tmp_path / name, "pretrain", 1.0, 1.0)
        saved(tmp_path / name, "sft", *sft)
        assert is_finite(tmp_path / name) == (name == "sound"), name


def test_validations_are_those_of_the_last_evaluation(tmp_path: Path) -> None:
    scores = [
        {"stage": "pretrain", "metric": "bits_per_byte", "value": 2.5},
        {"stage": "sft", "metric": "exact_match", "value": 0.5},
        {"stage": "sft", "metric": "bits_per_byte", "value": 2.25},
    ]
    (tmp_path / "evaluate").mkdir()
    write_json(tmp_path / "evaluate" / "scores.json", scores)
    assert validations(tmp_path) == {"pretrain": 2.5, "sft": 2.25}
