"""Sizes worked out from a recipe, against what is really written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from holdfast.model.config import Config, GPT2Config
from holdfast.model.count import memory
from holdfast.model.sizes import size_config
from holdfast.stages import assemble
from holdfast.stages.planning import forecast
from holdfast.stages.recipe import Recipe, resolve
from holdfast.train.settings import OptimizerSettings
from holdfast.vault.store import Vault

CPU = torch.device("cpu")
TIGHT = [f"model.{name}" for name in ("hidden_size=768", "num_heads=12", "num_kv_heads=12", "intermediate_size=3072")]
SIZES = range(160, 4, -1)  # quarters of a gigabyte
TIGHT += ["model.num_layers=12", "model.context_length=512", "pretrain.batch_tokens=16384", "sft.enabled=false"]


def recipe(*words: str) -> Recipe:
    return resolve("smoke", ["corpus.generator=harbour", *words]).recipe


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize(
    "config",
    [
        size_config("tiny", 320, 64),
        size_config("tiny", 320, 64, hidden_size=32, num_layers=1, num_heads=2, tied=False, mlp="relu2"),
        GPT2Config(vocab_size=300, context_length=64, hidden_size=64, num_layers=2, num_heads=2),
    ],
    ids=["tiny", "relu2", "gpt2"],
)
def test_a_checkpoint_takes_what_was_said(tmp_path: Path, config: Config, kind: str) -> None:
    model = assemble.fresh_model(config, 1, CPU)
    optimizer = assemble.optimizer(model, OptimizerSettings(kind=kind))
    tensors = {"model": dict(model.state_dict()), "optimizer": optimizer.state_tensors()}
    checkpoint = Vault(tmp_path, 1).commit(1, tensors, {"stage": "pretrain", "model": {"hidden_size": 1}}, ["interval"])
    sizes = {path.name: path.stat().st_size for path in checkpoint.path.iterdir()}
    planned = forecast.checkpoint(config, kind)
    assert planned.whole == pytest.approx(sum(sizes.values()), rel=0.02)
    assert planned.weights == pytest.approx(sum(sizes.values()) - sizes["optimizer.safetensors"], rel=0.02)


def kept(steps: int | None, *words: str, seconds: float | None = None) -> float:
    """In checkpoints."""
    size = forecast.Disk(whole=3000, weights=1000)
    return forecast.checkpoint_bytes(recipe(*words), "pretrain", size, steps, seconds) / size.whole


def test_every_tier_has_its_place() -> None:
    by_step = ("pretrain.save_minutes=off", "pretrain.save_steps=10", "pretrain.eval_steps=10")
    tiers = 3 + 2 + 2 + 3  # newest, best, healthy or may yet be, emergency
    assert kept(None, *by_step) == kept(1000, *by_step) == tiers + 1
    assert kept(1000, *by_step, "pretrain.keep=5") == tiers + 2 + 1
    assert kept(1000, *by_step, "checkpoints.keep_best=4", "checkpoints.keep_emergency=0") == tiers - 1 + 1
    milestones = kept(1000, *by_step, "checkpoints.milestone_steps=100")
    assert milestones == pytest.approx(tiers + 1 + 10 / 3), "weights only"
    assert kept(1000, *by_step, "checkpoints.milestone_steps=100", "checkpoints.milestones=full") == tiers + 1 + 10


def test_a_short_stage_is_not_saved_more_often_than_it_can_be() -> None:
    by_step = ("pretrain.save_minutes=off", "pretrain.save_steps=10", "pretrain.eval_steps=15")
    assert kept(30, *by_step) == 4, "at 10, 15, 20 and at the end"
    assert kept(5, *by_step) == 1
    by_clock = ("pretrain.save_minutes=1", "pretrain.save_steps=off", "pretrain.eval_steps=off")
    assert kept(500, *by_clock, seconds=130.0) == 3
    assert kept(2, *by_clock, seconds=3600.0) == 2, "no more than there are steps"


def test_a_budget_is_kept_but_for_the_fewest() -> None:
    words = ("checkpoints.disk_budget_gb=0.00002",)
    assert kept(None, *words) == pytest.approx(20_000 / 3000 + 1)
    assert kept(None, "checkpoints.disk_budget_gb=0.000000001") == 4 + 1


def test_memory_knows_how_a_stage_trains() -> None:
    small = recipe("pretrain.micro_batch_rows=2", "sft.micro_batch_rows=1")
    config = assemble.model_config(small.model, 320)
    demand = forecast.demand(small, "pretrain", config, CPU, "fp32")
    assert (demand.rows, demand.accumulates, demand.packed, demand.optimizer) == (2, True, False, "muon")
    assert forecast.demand(small, "sft", config, CPU, "fp32").packed
    whole = forecast.demand(recipe(), "pretrain", config, CPU, "fp32")
    assert (whole.rows, whole.accumulates, whole.snapshot, whole.heap) == (8, False, True, True)
    assert not forecast.demand(recipe("checkpoints.background=false"), "pretrain", config, CPU, "fp32").snapshot
    least, most = (forecast.most_memory(each, config, CPU, "fp32").total for each in (small, recipe()))
    assert least < most


def test_where_memory_is_short_less_is_held_at_once() -> None:
    large = recipe(*TIGHT)  # 32 rows
    machine = (assemble.model_config(large.model, 8192), CPU, "fp32")

    def portion(gigabytes: float, *words: str, shares: int = 1) -> tuple[int, str]:
        chosen = recipe(*TIGHT, *words)
        return tuple(forecast.portion_of(chosen, "pretrain", *machine, gigabytes * 1e9, shares))

    found = [portion(size / 4) for size in SIZES]
    assert found[0] == (32, "none")
    order = [(32, "none"), (16, "none"), (8, "none"), (4, "none"), (2, "none")]
    order += [(2, "every_second"), (2, "all"), (1, "all")]
    assert list(dict.fromkeys(found)) == [each for each in order if each in found]
    assert {(32, "none"), (8, "none"), (2, "none"), (2, "all"), (1, "all")} <= set(found)
    for size, each in zip(SIZES, found, strict=True):
        needed = memory(machine[0], forecast.demand(large, "pretrain", *machine, forecast.Portion(*each))).total
        assert needed <= size / 4 * 1e9 or each == (1, "all")
    assert portion(0.1) == (1, "all"), "which is then said to be too large"
    assert portion(80.0, shares=2) == (16, "none")
    assert portion(80.0, "pretrain.micro_batch_rows=4") == (4, "none"), "what the recipe says stays"
    assert portion(0.1, "pretrain.micro_batch_rows=4") == (4, "all")
    assert portion(0.1, "pretrain.recompute=none") == (32, "none")


def test_tokens_of_english() -> None:
    assert forecast.bytes_per_token("byte", 320) == forecast.bytes_per_token("char", 8192) == 1.0
    sizes = [forecast.bytes_per_token("bpe", size) for size in (270, 512, 700, 8192, 20_000, 131_072, 10**6)]
    assert sizes == sorted(sizes)
    assert forecast.token_bytes(10, 320, masked=False) == 20
    assert forecast.token_bytes(10, 70_000, masked=True) == 50


def test_how_long_a_stage_is() -> None:
    def steps(*words: str) -> int | None:
        return forecast.steps_of(recipe("pretrain.batch_tokens=1024", *words).pretrain, epoch_tokens=10_000)

    assert steps("pretrain.steps=7") == 7
    assert steps("pretrain.tokens=10k") == 10
    assert steps("pretrain.epochs=2") == 20
    assert steps("budget=5min", "pretrain.steps=off") is None
