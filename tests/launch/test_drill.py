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
from holdfast.disk.injection import parse
from holdfast.launch.drill import SIGNALS, Drill, Interruption, compare, plan, shortened, trained
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
    made = plan(80, 5, parse("torn@write:9,nan@3,enospc@any:2:rank=1"), seed=1)
    assert made == plan(80, 5, parse("torn@write:9,nan@3,enospc@any:2:rank=1"), seed=1)
    signals, faults = made[:5], made[5:]
    assert [each.what for each in signals] == list(SIGNALS[:5])
    assert all(16 * part <= (each.after or 0) < 16 * (part + 1) for part, each in enumerate(signals))
    assert faults == [Interruption("torn@write:9"), Interruption("enospc@any:2:rank=1")], "a poisoned batch is no end"
    assert plan(80, 0, [], 1) == []
    assert len(plan(3, 9, [], 1)) == 9


def test_what_can_not_be_drilled_is_refused_before_anything_starts(tmp_path: Path) -> None:
    resolved = shortened("smoke", ["corpus.path=texts"], 5)
    with pytest.raises(RecipeFault, match="no fault to inject"):
        Drill(resolved, tmp_path / "new", lambda done, total: None).run(1, "flood@3")
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").write_text("here already")
    with pytest.raises(Fault, match="is not empty"):
        Drill(resolved, tmp_path, lambda done, total: None).run(1, "")
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


class Sabotaged(Drill):
    """The second run learns at a slightly different rate."""

    def _share(self) -> None:
        super()._share()
        recipe = self.folder / "interrupted.yaml"
        text = recipe.read_text()
        assert "learning_rate: 0.001 " in text
        recipe.write_text(text.replace("learning_rate: 0.001 ", "learning_rate: 0.00100001 "))


@pytest.mark.slow
def test_a_run_that_ends_otherwise_is_found_out(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    words = [f"corpus.path={corpus_folder}", "sft.enabled=false", *TINY]
    shown: list[tuple[int, int | None]] = []
    drill = Sabotaged(shortened("smoke", words, 12), tmp_path / "drill", lambda *now: shown.append(now))
    found = drill.run(1, "")
    assert [each["what"] for each in found["interruptions"]] == ["SIGKILL"]
    assert not found["proved"]
    assert [each["equal"] for each in found["stages"]] == [False]
    assert shown[0] == (0, 24)
    assert max(done for done, _ in shown) > 12
