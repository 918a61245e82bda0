"""Computing layers again changes memory and time, and not one bit of anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from holdfast.model import recompute
from holdfast.model.build import build
from holdfast.model.cache import KVCache
from holdfast.model.config import Config
from holdfast.model.recompute import SPACING, set_recompute
from holdfast.model.sizes import size_config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "precision-and-memory.md"
Make = Callable[[Config], nn.Module]


def learned(model: nn.Module, ids: Tensor, policy: str, segments: Tensor | None = None) -> list[Tensor]:
    """The loss and every gradient under a policy, after the same random numbers; and the state of those behind it."""
    set_recompute(model, policy)
    model.zero_grad()
    torch.manual_seed(11)
    loss = model.loss_sum(ids[:, :-1], ids[:, 1:], segments)
    after_forward = torch.get_rng_state()
    loss.backward()
    grads = [parameter.grad for parameter in model.parameters()]
    return [loss.detach(), *grads, after_forward, torch.get_rng_state()]


@pytest.mark.parametrize("policy", ["every_second", "all"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("precision", [None, torch.bfloat16, torch.float16])
def test_loss_and_gradients_are_the_same_to_the_bit(
    config: Config, make: Make, ids: Tensor, policy: str, dropout: float, precision: torch.dtype | None
) -> None:
    model = make(replace(config, dropout=dropout, num_layers=3))
    segments = (torch.arange(39) >= 15).long().expand(3, 39)
    with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
        kept, again = (learned(model, ids, each, segments) for each in ("none", policy))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(kept, again, strict=True))


def kept_bytes(model: nn.Module, policy: str, forward: Callable[[], Tensor]) -> int:
    """Bytes that a forward pass keeps for the backward pass."""
    set_recompute(model, policy)
    seen = {parameter.untyped_storage().data_ptr(): 0 for parameter in (*model.parameters(), *model.buffers())}

    def pack(tensor: Tensor) -> Tensor:
        seen.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        held = forward()
    assert held.requires_grad
    return sum(seen.values())


def test_less_is_kept(config: Config, make: Make, ids: Tensor) -> None:
    model = make(replace(config, num_layers=8))
    none, half, most = (kept_bytes(model, policy, lambda: model.hidden(ids)) for policy in SPACING)
    assert most < none / 5
    assert 0.45 < half / none < 0.65


def test_the_state_has_the_same_names_and_values(config: Config, make: Make) -> None:
    model = make(config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    set_recompute(model, "all")
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_where_no_gradient_is_wanted_layers_just_run(
    config: Config, make: Make, ids: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(config)
    with torch.no_grad():
        expected = model(ids)
    set_recompute(model, "all")
    monkeypatch.delattr(recompute, "checkpoint")
    cache = KVCache(3, config, capacity=40)
    with torch.no_grad():
        assert torch.equal(model(ids), expected)
        model(ids[:, :20], cache=cache)
    torch.testing.assert_close(model(ids[:, 20:], cache=cache), expected[:, 20:], rtol=1e-5, atol=1e-5)
    with pytest.raises(NameError):
        model(ids)


def test_an_error_inside_a_layer_is_not_hidden(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    set_recompute(model, "all")
    calls = []

    def stumble(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        calls.append(module)
        if len(calls) == 2:
            raise RuntimeError("the second time")

    model.layers[0].mlp.register_forward_pre_hook(stumble)
    loss = model.loss_sum(ids, ids)
    with pytest.raises(RuntimeError, match="the second time"):
        loss.backward()
    assert len(calls) == 2


def test_a_policy_there_is_not_is_refused(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    with pytest.raises(ValueError, match="recompute is one of none, every_second, all, not 'most'"):
        set_recompute(model, "most")
    model.recompute = "some"
    with pytest.raises(ValueError, match="not 'some'"):
        model(ids)


@pytest.mark.slow
def test_the_page_tells_the_bytes_that_are_kept() -> None:
    rows = re.findall(r"\| `(\w+)`, (\d+) \| (\d+) MB \| (\d+) MB \| (\d+) MB \|", PAGE.read_text("utf-8"))
    assert len(rows) == 3
    for size, count, *told in rows:
        model = build(size_config(size, vocab_size=4096))
        ids = torch.arange(int(count) * model.config.context_length).view(int(count), -1) % 4096
        kept = [kept_bytes(model, policy, lambda m=model, i=ids: m.loss_sum(i, i)) for policy in SPACING]
        assert [round(each / 1e6) for each in kept] == [int(each) for each in told]
