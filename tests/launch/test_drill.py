"""The drill: what it plans, how it shortens a recipe, how it compares, and that it is not easily satisfied."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.base.faults import Fault, RecipeFault
from holdfast.launch import runs
from holdfast.launch.drill import SIGNALS, drill, plan, shortened
from holdfast.launch.runs import Runs, compare, trained
from holdfast.vault.store import Vault

TINY = shlex.split(
    "threads=1 model.hidden_size=16 model.num_layers=1 model.num_heads=2 model.num_kv_heads=1 model.context_length=32 "
    "model.intermediate_size=32 pretrain.batch_tokens=128"
)


def test_the_short_recipe_keeps_what_is_learned_from_and_what_was_asked() -> None:
    resolved = shortened("smoke", ["corpus.path=texts", "sft.steps=7", "evaluate.questions=3"], 40)
    recipe = resolved.recipe
    assert (recipe.pretrain.steps, recipe.sft.steps, recipe.evaluate.questions) == (40, 7, 3)
    assert (recipe.pretrain.save_steps, recipe.pretrain.eval_steps) == (6, 13)
    assert recipe.evaluate.max_tokens == 16
    assert recipe.export.to == []
    assert recipe.pretrain.batch_tokens == 2048, "what a step is stays as it is"
    assert trained(recipe) == ["pretrain", "sft"]
    assert shortened("smoke", ["corpus.path=texts", "pretrain.steps=9"], 40).recipe.pretrain.save_steps == 1


def test_a_recipe_without_chats_is_drilled_without_them() -> None:
    resolved = shortened("smoke", ["corpus.path=texts", "sft.enabled=false"], 5)
    assert trained(resolved.recipe) == ["pretrain"]


def test_a_plan_is_spread_over_the_run_and_the_same_every_time() -> None:
    made = plan(80, 5, seed=1)
    assert made == plan(80, 5, seed=1)
    assert [each.what for each in made] == list(SIGNALS[:5])
    assert all(16 * part <= each.after < 16 * (part + 1) for part, each in enumerate(made))
    assert plan(80, 0, 1) == []
    assert len(plan(3, 9, 1)) == 9


def test_what_can_not_be_drilled_is_refused_before_anything_starts(tmp_path: Path) -> None:
    resolved = shortened("smoke", ["corpus.path=texts"], 5)
    with pytest.raises(RecipeFault, match="no fault to inject"):
        drill(resolved, tmp_path / "new", lambda done, total: None, 1, "flood@3", 0.1)
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").write_text("here already")
    with pytest.raises(Fault, match="is not empty"):
        drill(resolved, tmp_path, lambda done, total: None, 1, "", 0.1)
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def ended(run_dir: Path, weight: float, moment: float) -> Path:
    """A run whose pretraining ended with these two numbers."""
    fields: dict[str, Any] = {
        "stage": "pretrain", "tokens": 1, "position": 1, "fingerprint": "f", "tokenizer_fingerprint": "t", "model": {},
        "horizon": 1, "seed": 1, "micro_batch_rows": 1, "best": None, "evaluated": None, "guard": {}, "optimizer": {},
    }  # fmt: skip
    tensors = {"model": {"w": torch.tensor([weight])}, "optimizer": {"w.m": torch.tensor([moment])}}
    Vault(run_dir / "pretrain", 1).save(1, tensors, fields, ["stage_end"])
    return run_dir


def test_one_bit_is_a_difference(tmp_path: Path) -> None:
    bit = torch.finfo(torch.float32).eps
    one = ended(tmp_path / "one", 1.0, 1.0)
    assert compare(one, ended(tmp_path / "same", 1.0, 1.0), "pretrain")["equal"]
    weight = compare(one, ended(tmp_path / "weight", 1.0 + bit, 1.0), "pretrain")
    moment = compare(one, ended(tmp_path / "moment", 1.0, 1.0 + bit), "pretrain")
    assert not weight["equal"]
    assert not moment["equal"]
    differs = [name for found in (weight, moment) for name, (a, b) in found["digests"].items() if a != b]
    assert differs == ["model", "optimizer"]


@pytest.mark.slow
def test_a_run_that_ends_otherwise_is_found_out(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run learns at a slightly different rate."""
    share = Runs.share

    def sabotaged(self: Runs, name: str, words: Any = ()) -> None:
        share(self, name, ["pretrain.optimizer.learning_rate=0.00100001"])

    monkeypatch.setattr(runs.Runs, "share", sabotaged)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    words = [f"corpus.path={corpus_folder}", "sft.enabled=false", *TINY]
    shown: list[tuple[int, int | None]] = []
    found = drill(shortened("smoke", words, 12), tmp_path / "drill", lambda *now: shown.append(now), 1, "slow@3", 0.1)
    assert [each["what"] for each in found["interruptions"]] == ["SIGKILL"]
    assert not found["proved"]
    assert [each["equal"] for each in found["stages"]] == [False]
    (fault,) = found["faults"]
    assert fault["broken"] == ["it did not end like the unbroken run"]
    assert shown[0] == (0, 36)
    assert max(done for done, _ in shown) > 24
