"""The proof holds for training as it is, changes nothing, and fails for each way in which training could be broken."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from holdfast.base.records import Batch
from holdfast.model import recompute
from holdfast.model.build import build, initialise
from holdfast.model.config import Config, GPT2Config, TransformerConfig
from holdfast.model.recompute import set_recompute
from holdfast.optim.build import OptimizerConfig, build_optimizer
from holdfast.train import step
from holdfast.train.guard import GuardMemory
from holdfast.train.proof import Proof, prove
from holdfast.train.state import RunState

Patch = pytest.MonkeyPatch
TRANSFORMER = TransformerConfig(64, 32, 32, 2, 4, 2, 64)
CONFIGS: dict[str, Config] = {"transformer": TRANSFORMER, "gpt2": GPT2Config(64, 32, 32, 2, 4)}


def state_of(precision: str, config: Config = TRANSFORMER, policy: str = "none", micro: int = 8) -> RunState:
    model = build(config)
    initialise(model, seed=1)
    set_recompute(model, policy)
    guard = GuardMemory(loss_scale=2.0**13 if precision == "fp16" else 1.0)
    return RunState(model, build_optimizer(model, OptimizerConfig()), "pretrain", 1, micro, precision, guard=guard)


def batch_of(rows: int = 8, segments: bool = False) -> Batch:
    ids = np.random.default_rng(rows).integers(0, 64, (rows, 33))
    return Batch(ids[:, :-1], ids[:, 1:], (np.arange(32) // 10)[None].repeat(rows, 0) if segments else None)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("policy", ["none", "every_second", "all"])
@pytest.mark.parametrize("family", CONFIGS)
def test_training_as_it_is_proves_itself(precision: str, policy: str, family: str) -> None:
    config = replace(CONFIGS[family], dropout=0.1)
    proof = prove(state_of(precision, config, policy), batch_of(segments=True), policy)
    assert proof.failures == []
    assert f"precision {precision} is proven" in proof.words
    assert set(proof.products) == {precision}
    assert proof.products[precision] >= 3 * (6 if family == "gpt2" else 7) * 2
    assert proof.micro_batches == 4
    assert 0 < proof.accumulation < 1e-2
    assert proof.recomputed == 0.0


def test_products_inside_attention_are_told_apart() -> None:
    """With dropout, attention on a CPU is done in fp32 whatever is asked for: allowed, and told."""
    dropping = prove(state_of("bf16", replace(TRANSFORMER, dropout=0.1)), batch_of(), "none")
    assert set(dropping.attention) == {"fp32"}
    assert "those inside attention in fp32" in dropping.words
    plain = prove(state_of("bf16"), batch_of(), "none")
    assert set(plain.attention) == {"bf16"}
    assert "attention" not in plain.words


def test_computing_again_keeps_less_and_says_how_much() -> None:
    config = replace(TRANSFORMER, num_layers=6)
    proofs = {policy: prove(state_of("fp32", config, policy), batch_of(), policy) for policy in recompute.SPACING}
    assert proofs["none"].kept_bytes == proofs["none"].kept_without
    assert proofs["all"].kept_bytes < proofs["every_second"].kept_bytes < proofs["every_second"].kept_without
    assert "recompute all keeps" in proofs["all"].words


def everything(state: RunState) -> list[Tensor]:
    tensors = {**state.tensors()["model"], **state.tensors()["optimizer"]}
    return [tensor.clone() for tensor in tensors.values()]


@pytest.mark.parametrize("policy", ["none", "all"])
def test_nothing_is_changed(policy: str) -> None:
    state = state_of("fp16", replace(TRANSFORMER, dropout=0.2), policy)
    step.apply(state, step.gradients(state, batch_of()), 1.0, 1.0)
    before, guard, scalars = everything(state), state.guard, state.optimizer.state_scalars()
    drawn = torch.get_rng_state()
    assert prove(state, batch_of(), policy).failures == []
    assert all(torch.equal(now, then) for now, then in zip(everything(state), before, strict=True))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert (state.guard, state.optimizer.state_scalars()) == (guard, scalars)
    assert (state.micro_batch_rows, state.step, state.position, state.dirty) == (8, 0, 0, False)
    assert state.model.training
    assert state.model.recompute == policy
    assert all(parameter.grad is None for parameter in state.model.parameters())


def test_it_takes_no_more_rows_and_tokens_at_once_than_training_does(monkeypatch: Patch) -> None:
    shapes: list[tuple[int, ...]] = []
    real = step.batch_loss

    def noted(model: torch.nn.Module, batch: Batch, precision: str) -> Tensor:
        shapes.append(batch.inputs.shape)
        return real(model, batch, precision)

    monkeypatch.setattr(step, "batch_loss", noted)
    assert prove(state_of("fp32", micro=1), batch_of(), "none").failures == []
    assert set(shapes) == {(4, 8), (1, 8)}
    shapes.clear()
    assert prove(state_of("fp32", micro=8), batch_of(2), "none").micro_batches == 2
    assert set(shapes) == {(2, 32), (1, 32)}
    shapes.clear()
    alone = prove(state_of("fp32", policy="all", micro=4), batch_of(1), "all")
    assert (alone.failures, alone.micro_batches) == ([], 1)
    assert "micro-batches" not in alone.words
    assert set(shapes) == {(1, 8)}


def test_fp16_is_proven_at_a_scale_that_it_can_hold() -> None:
    state = state_of("fp16")
    state.guard = GuardMemory(loss_scale=2.0**30)
    proof = prove(state, batch_of(), "none")
    assert proof.failures == []
    assert 1 < proof.loss_scale < 2.0**30
    assert state.guard.loss_scale == 2.0**30


def without_autocast(patch: Patch, state: RunState) -> None:
    patch.setattr(step, "autocast", lambda precision, device: nullcontext())


def never_cleared(patch: Patch, state: RunState) -> None:
    patch.setattr(type(state.optimizer), "zero_grad", lambda self: None)


def averaged_by_part(patch: Patch, state: RunState) -> None:
    real = step.batch_loss
    patch.setattr(step, "batch_loss", lambda model, part, precision: real(model, part, precision) / part.trained_tokens)


def not_normalised(patch: Patch, state: RunState) -> None:
    real = step.batch_loss
    patch.setattr(step, "batch_loss", lambda model, part, precision: real(model, part, precision) / len(part.inputs))


def only_the_last_part(patch: Patch, state: RunState) -> None:
    real = step.batch_loss

    def forgetting(model: torch.nn.Module, part: Batch, precision: str) -> Tensor:
        model.zero_grad()
        return real(model, part, precision)

    patch.setattr(step, "batch_loss", forgetting)


def one_gradient_is_no_number(patch: Patch, state: RunState) -> None:
    state.model.norm.weight.register_hook(lambda grad: grad * math.nan)


def nothing_is_learned(patch: Patch, state: RunState) -> None:
    real = step.batch_loss
    patch.setattr(step, "batch_loss", lambda model, part, precision: real(model, part, precision) * 0)


def the_policy_is_ignored(patch: Patch, state: RunState) -> None:
    patch.setattr(recompute, "checkpoint", lambda layer, *rest, **options: layer(*rest))


def other_numbers_are_drawn_again(patch: Patch, state: RunState) -> None:
    real = recompute.checkpoint
    other = {"preserve_rng_state": False}
    patch.setattr(recompute, "checkpoint", lambda *rest, **options: real(*rest, **options | other))


def nobody_set_the_policy(patch: Patch, state: RunState) -> None:
    set_recompute(state.model, "none")


@pytest.mark.parametrize(
    ("damage", "failure"),
    [
        (without_autocast, "products ran in fp32"),
        (never_cleared, "gradients from before are not cleared"),
        (averaged_by_part, "4 micro-batches are not one"),
        (not_normalised, "4 micro-batches are not one"),
        (only_the_last_part, "4 micro-batches are not one"),
        (one_gradient_is_no_number, "the gradient is not finite"),
        (nothing_is_learned, "the gradient is zero"),
        (the_policy_is_ignored, "recompute all saves no memory"),
        (other_numbers_are_drawn_again, "recompute all changes the gradient"),
        (nobody_set_the_policy, "recompute all saves no memory"),
    ],
)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_what_is_broken_is_found(
    damage: Callable[[Patch, RunState], None], failure: str, precision: str, monkeypatch: Patch
) -> None:
    state = state_of(precision, replace(TRANSFORMER, dropout=0.2), "all")
    damage(monkeypatch, state)
    proof = prove(state, batch_of(), "all")
    assert [each for each in proof.failures if each.startswith(failure)], proof.failures
    assert proof.words.startswith(f"precision {precision} is not proven: ")


def test_fp32_that_is_not_is_found_too(monkeypatch: Patch) -> None:
    """The other way round: half precision where all of it was asked for."""
    monkeypatch.setattr(step, "autocast", lambda precision, device: torch.autocast("cpu", torch.bfloat16))
    proof = prove(state_of("fp32"), batch_of(), "none")
    assert [each.split(" (")[0] for each in proof.failures[:2]] == [
        "products ran in bf16",
        "those inside attention ran in bf16",
    ]


def test_the_journal_can_hold_it() -> None:
    sound = prove(state_of("fp32"), batch_of(), "none")
    assert json.loads(json.dumps(sound.to_dict()))["failures"] == []
    broken = Proof("bf16", {}, {}, math.nan, math.inf, 1.0, True, 4, math.nan, "none", math.nan, 0, 0)
    told = json.loads(json.dumps(broken.to_dict(), allow_nan=False))
    assert told["length"] == "inf"
    assert told["failures"] == ["no matrix product was seen", "the loss is not finite", "the gradient is not finite"]


@pytest.mark.slow
def test_it_loads_nothing_that_would_delay_the_start() -> None:
    """PyTorch's compiler takes longer to load than the proof takes."""
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import test_proof
assert test_proof.prove(test_proof.state_of("bf16"), test_proof.batch_of(), "none").failures == []
print("torch._dynamo" in sys.modules)
"""
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"
