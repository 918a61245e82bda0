"""The optimizer as the loop knows it: it learns, its state is complete, and a resumed one goes on bit for bit."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from holdfast.optim.build import Optimizer, OptimizerConfig, build_optimizer

Train = Callable[[nn.Module, Optimizer, int, int], list[float]]
GOLDEN = Path(__file__).with_name("golden_losses.json")
KINDS = ("adamw", "muon")


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_steps_give_the_recorded_losses(model: nn.Module, train: Train, kind: str) -> None:
    """The numbers guard the whole chain from first weights to update. Processors round products differently, hence
    the tolerance; on one machine the losses are equal to the bit, which the next test asks for."""
    losses = train(model, build_optimizer(model, OptimizerConfig(kind=kind)), 0, 20)
    recorded = json.loads(GOLDEN.read_text("utf-8"))[f"{type(model).__name__} {kind}"]
    assert losses == pytest.approx(recorded, rel=1e-5)
    assert losses[-1] < losses[0] - 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_run_goes_on_bit_for_bit(
    model: nn.Module, same_model: Callable[[], nn.Module], train: Train, kind: str
) -> None:
    config = OptimizerConfig(kind=kind)
    unbroken = build_optimizer(model, config)
    train(model, unbroken, 0, 6)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = {name: tensor.clone() for name, tensor in unbroken.state_tensors().items()}
    scalars = json.loads(json.dumps(unbroken.state_scalars()))
    expected = train(model, unbroken, 6, 12)

    other = same_model()
    resumed = build_optimizer(other, config)
    other.load_state_dict(weights)
    resumed.load_state_tensors(state)
    resumed.load_state_scalars(scalars)
    assert train(other, resumed, 6, 12) == expected
    same = resumed.state_tensors()
    assert all(torch.equal(tensor, same[name]) for name, tensor in unbroken.state_tensors().items())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_state_exists_before_the_first_step_under_names_that_stay(model: nn.Module, train: Train, kind: str) -> None:
    optimizer = build_optimizer(model, OptimizerConfig(kind=kind))
    before = optimizer.state_tensors()
    assert all(not tensor.any() for tensor in before.values())
    train(model, optimizer, 0, 3)  # what lies behind a projection that starts at zero wakes up one step later
    after = optimizer.state_tensors()
    assert before.keys() == after.keys()
    assert all(tensor.any() for tensor in after.values())
    slots = {"momentum"} if kind == "muon" else {"exp_avg", "exp_avg_sq"}
    assert {name.rpartition(".")[2] for name in after if name.startswith("layers.0.attention.q.weight.")} == slots
    assert {f"embed.weight.{slot}" for slot in ("exp_avg", "exp_avg_sq")} <= after.keys()


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("embed.weight.exp_avg"),
        lambda state: state.update(extra=torch.zeros(1)),
        lambda state: state.update({"embed.weight.exp_avg": torch.zeros(1)}),
    ],
    ids=["missing", "too many", "other shape"],
)
def test_a_state_that_does_not_fit_is_refused_untouched(
    model: nn.Module, train: Train, change: Callable[[dict[str, Tensor]], Any]
) -> None:
    optimizer = build_optimizer(model, OptimizerConfig())
    train(model, optimizer, 0, 2)
    before = {name: tensor.clone() for name, tensor in optimizer.state_tensors().items()}
    wrong = {name: torch.full_like(tensor, 9.0) for name, tensor in before.items()}
    change(wrong)
    with pytest.raises(ValueError, match="optimizer state"):
        optimizer.load_state_tensors(wrong)
    assert all(torch.equal(tensor, before[name]) for name, tensor in optimizer.state_tensors().items())


def test_state_of_another_kind_is_refused(model: nn.Module) -> None:
    muon, adamw = (build_optimizer(model, OptimizerConfig(kind=kind)) for kind in ("muon", "adamw"))
    with pytest.raises(ValueError, match="optimizer state layers"):
        muon.load_state_tensors(adamw.state_tensors())


@pytest.mark.parametrize("kind", KINDS)
def test_without_gradients_nothing_moves(model: nn.Module, kind: str) -> None:
    optimizer = build_optimizer(model, OptimizerConfig(kind=kind))
    before = [parameter.clone() for parameter in model.parameters()]
    optimizer.step(1.0)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_scale_of_nothing_moves_no_weight_but_remembers_the_gradient(model: nn.Module, kind: str) -> None:
    optimizer = build_optimizer(model, OptimizerConfig(kind=kind))
    before = [parameter.clone() for parameter in model.parameters()]
    ids = torch.arange(33)[None]
    model.loss_sum(ids[:, :-1], ids[:, 1:]).backward()
    optimizer.step(0.0)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert any(tensor.any() for tensor in optimizer.state_tensors().values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_moves(model: nn.Module, train: Train, kind: str) -> None:
    optimizer = build_optimizer(model, OptimizerConfig(kind=kind))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    train(model, optimizer, 0, 3)
    assert [name for name, parameter in model.named_parameters() if torch.equal(before[name], parameter)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_only_matrices_decay(model: nn.Module, kind: str) -> None:
    optimizer = build_optimizer(
        model, OptimizerConfig(kind=kind, learning_rate=0.1, matrix_learning_rate=0.1, weight_decay=0.5)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step(1.0)
    for name, parameter in model.named_parameters():
        decays = parameter.ndim == 2 and name not in ("embed.weight", "positions.weight")
        torch.testing.assert_close(parameter.detach(), torch.full_like(parameter, 0.95 if decays else 1.0))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "sgd"}, "adamw or muon, not 'sgd'"),
        ({"learning_rate": -1.0}, "learning_rate must be at least 0"),
        ({"weight_decay": float("nan")}, "weight_decay"),
        ({"betas": (0.9, 1.0)}, "below 1, not 1.0"),
        ({"momentum": -0.1}, "not -0.1"),
    ],
)
def test_settings_that_can_not_work_are_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        OptimizerConfig(**values)


@pytest.mark.slow
def test_training_does_not_wait_for_torchs_compiler_to_load() -> None:
    """Importing it takes seconds, and torch does so behind the back of those who make one of its optimizers."""
    program = """
import sys, torch
from holdfast.model.build import build, initialise
from holdfast.model.config import TransformerConfig
from holdfast.optim.build import OptimizerConfig, build_optimizer
model = build(TransformerConfig(16, 8, 8, 1, 2, 2, 8))
initialise(model, 0)
optimizer = build_optimizer(model, OptimizerConfig(kind="muon"))
model.loss_sum(torch.zeros(1, 8, dtype=torch.long), torch.zeros(1, 8, dtype=torch.long)).backward()
optimizer.step(1.0)
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_table_and_head_have_rates_of_their_own(model: nn.Module, train: Train) -> None:
    """A rate of nothing keeps a part as it was, and only that part."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, build_optimizer(model, OptimizerConfig(kind="muon", table_learning_rate=0.0)), 0, 3)
    kept = {name for name, tensor in model.state_dict().items() if torch.equal(tensor, before[name])}
    assert kept == {name for name in before if name in ("embed.weight", "positions.weight")}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, build_optimizer(model, OptimizerConfig(kind="adamw", head_learning_rate=0.0)), 0, 3)
    kept = {name for name, tensor in model.state_dict().items() if torch.equal(tensor, before[name])}
    assert kept == {name for name in before if name == "head.weight"}
