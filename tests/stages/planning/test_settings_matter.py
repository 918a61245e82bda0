"""Every setting of what the plan foretells, when changed, changes what it says; those that do not are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.base.faults import RecipeFault
from holdfast.base.settings import Section
from holdfast.evals.settings import EvaluateSettings
from holdfast.publish.settings import ExportSettings
from holdfast.stages.planning import plan as planning
from holdfast.stages.planning.plan import make
from holdfast.stages.planning.probe import Trial
from holdfast.stages.recipe import Recipe, resolve
from holdfast.stages.settings import ModelSettings, PretrainSettings, TokensSettings
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.train import precision
from holdfast.train.settings import CheckpointSettings

BASE = (
    "device=cpu",
    "precision=fp32",
    "threads=1",
    "model.hidden_size=32",
    "model.num_layers=2",
    "tokenizer.kind=bpe",
    "tokenizer.vocab_size=384",
    "pretrain.steps=4000",
    "pretrain.save_steps=20",
    "pretrain.save_minutes=off",
    "pretrain.eval_steps=20",
    "pretrain.sample_steps=20",
    "checkpoints.milestone_steps=50",
    "corpus.generator=harbour",
    "corpus.documents=600",
    "sft.enabled=false",
    "export.to=[]",
)
OTHER: dict[str, Any] = {
    "precision": "bf16",
    "budget": "9min",
    "processes": 2,
    "kernels": "off",
    "corpus.documents": 900,
    "tokenizer.kind": "byte",
    "tokenizer.vocab_size": 448,
    "model.family": "gpt2",
    "model.size": "1m",  # with nothing beside it
    "model.context_length": 128,
    "model.hidden_size": 64,
    "model.num_layers": 3,
    "model.num_heads": 4,
    "model.num_kv_heads": 1,
    "model.intermediate_size": 256,
    "model.mlp": "relu2",
    "model.qk_norm": False,
    "model.tied": False,
    "pretrain.steps": 60,
    "pretrain.epochs": 2,
    "pretrain.tokens": 50_000,
    "pretrain.batch_tokens": 4096,
    "pretrain.micro_batch_rows": 1,
    "pretrain.recompute": "all",
    "pretrain.packing": "documents",
    "pretrain.optimizer.kind": "adamw",
    "pretrain.save_steps": 200,
    "pretrain.save_minutes": 2,  # with pretrain.save_steps=off
    "pretrain.keep": 7,
    "pretrain.eval_steps": 200,
    "pretrain.eval_tokens": 99_000,
    "pretrain.sample_steps": 200,
    "checkpoints.keep_best": 5,
    "checkpoints.keep_emergency": 0,
    "checkpoints.milestone_steps": 100,
    "checkpoints.milestones": "full",
    "checkpoints.disk_budget_gb": 0.001,
    "checkpoints.risk_minutes": 0.5,
    "checkpoints.background": False,
    "evaluate.bits_per_byte_tokens": 500_000,
    "evaluate.prompts": ["one", "two", "three", "four", "five", "six", "seven"],
    "evaluate.max_tokens": 5,
    "export.to": ["hf"],
    "export.dtype": "bf16",  # with export.to=[hf]
}
LENGTHS = ("budget", "pretrain.epochs", "pretrain.tokens")  # instead of pretrain.steps
BESIDE = {
    "model.family": ("model.num_kv_heads=off", "model.intermediate_size=off"),
    "pretrain.save_minutes": ("pretrain.save_steps=off", "pretrain.eval_steps=off"),
    "checkpoints.risk_minutes": ("pretrain.save_minutes=0.8",),
    "export.dtype": ("export.to=[hf]",),
    "model.size": ("model.hidden_size=off", "model.num_layers=off", "model.intermediate_size=off"),
}
# What is learned and how it is judged, not how long it takes or how large it is.
SAY_NOTHING = {
    "tokenizer.pattern",
    "tokenizer.train_bytes",
    "tokenizer.load",  # a check of its own, in test_checks
    "tokenizer.domain_tokens",
    "tokens.shard_tokens",
    "tokens.cache",  # what is there already is told by the run itself
    "tokens.cache_gb",
    "model.rope_theta",
    "model.dropout",
    "pretrain.init_from",  # a check of its own, in test_checks
    "pretrain.clip",
    "pretrain.optimizer",
    "pretrain.schedule",
    "checkpoints.milestone_epochs",
    "evaluate.questions",  # only where there is a chat to ask
    "evaluate.temperature",
    "evaluate.seed",
}
SECTIONS: dict[str, type[Section]] = {
    "tokenizer": TokenizerSettings,
    "tokens": TokensSettings,
    "model": ModelSettings,
    "pretrain": PretrainSettings,
    "checkpoints": CheckpointSettings,
    "evaluate": EvaluateSettings,
    "export": ExportSettings,
}


def test_all_of_them_are_tried_or_named() -> None:
    known = {f"{section}.{name}" for section, kind in SECTIONS.items() for name in kind.model_fields}
    tried = {name for name in OTHER if name.split(".")[0] in SECTIONS and name.count(".") == 1}
    assert tried | SAY_NOTHING == known
    assert not tried & SAY_NOTHING


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that take as long as the recipe's batch is large, and no model that is trained for it."""

    def trial(recipe: Recipe, settings: Any, *rest: Any) -> Trial:
        peaks = dict.fromkeys(("train", "evaluate", "sample", "save"), 1)
        return Trial(peaks, [settings.batch_tokens / 2048 / 10] * 3, 1e-5, 0.5, 0.25)

    monkeypatch.setattr(planning, "try_out", trial)
    monkeypatch.setattr(planning, "warm_up", lambda device: None)


def said(run_dir: Path, *words: str) -> dict[str, Any]:
    """Without what depends on the moment: how fast this machine reads text, and what its libraries take."""
    latest = {word.partition("=")[0]: word for word in (*BASE, *words)}
    found = make(resolve("smoke", [*latest.values()]), run_dir).to_dict()
    found["memory_bytes"] = {**found["memory_bytes"], "libraries": 0, "total": 0}
    found["seconds_for"] = {**found["seconds_for"], "prepare": 0.0}
    return {name: found[name] for name in found if name != "seconds"}


@pytest.mark.slow
@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("name", list(OTHER))
def test_it_has_an_effect(tmp_path: Path, name: str) -> None:
    beside = BESIDE.get(name, ())
    value = OTHER[name] if not isinstance(OTHER[name], list) else f"[{', '.join(OTHER[name])}]"
    usual = said(tmp_path / "run", *beside)
    assert said(tmp_path / "run", *beside) == usual
    instead = ("pretrain.steps=off",) if name in LENGTHS else beside
    assert said(tmp_path / "run", *instead, f"{name}={value}") != usual


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        (("precision=fp8",), ("precision=fp8", "precision_fallback=bf16")),
        (("precision=fp8", "precision_fallback=bf16"), ("precision=fp8", "precision_fallback=fp32")),
        (("precision=fp8",), ("precision=fp8", "fp8.format=e5m2")),
        (("precision=fp8",), ("precision=fp8", "fp8.backend=torchao")),
        (("precision=fp32",), ("precision=bf16",)),
        (("precision=bf16",), ("precision=fp16",)),
    ],
)
def test_the_number_format_has_an_effect(
    usual: tuple[str, ...], other: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU that could, where only a library is missing or this version is what stands in the way."""

    def outcome(words: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
        recipe = resolve("smoke", ["corpus.generator=harbour", *words]).recipe
        try:
            chosen = precision.resolve(recipe.precision, torch.device("cpu"), recipe.precision_fallback, recipe.fp8)
        except RecipeFault as fault:
            return fault.cause, {}
        return chosen, recipe.number_format

    original = precision.fp8.shortfall
    for backends in ((), ("torchao", "transformer_engine")):
        monkeypatch.setattr(precision.fp8, "find_spec", lambda name, here=backends: name if name in here else None)
        monkeypatch.setattr(precision.fp8, "shortfall", lambda settings, *_: original(settings, "cuda", (9, 0)))
        if outcome(usual) != outcome(other):
            return
    pytest.fail(f"{usual} and {other} come to the same")
