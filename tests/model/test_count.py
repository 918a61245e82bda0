"""What is worked out from a config against what a real model has, does and keeps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from holdfast.model import attention
from holdfast.model.build import build
from holdfast.model.config import Config
from holdfast.model.count import (
    SCATTERED,
    SCATTERED_ONCE,
    Demand,
    flops_per_token,
    matrix_parameters,
    memory,
    parameters,
    tensors,
)
from holdfast.model.portions import CHUNK_ELEMENTS
from holdfast.model.recompute import set_recompute
from holdfast.model.sizes import SIZES, size_config
from holdfast.optim.build import OptimizerConfig, build_optimizer

FP32 = 4


def real_parameters(config: Config) -> int:
    return sum(parameter.numel() for parameter in build(config).parameters())


@pytest.mark.parametrize("name", ["tiny", "1m", "d4"])
@pytest.mark.parametrize("family", ["transformer", "gpt2"])
def test_parameters_of_small_sizes(name: str, family: str) -> None:
    config = size_config(name, 512, family=family)
    assert parameters(config) == real_parameters(config)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("family", ["transformer", "gpt2"])
def test_parameters_of_every_size(name: str, family: str) -> None:
    config = size_config(name, 512, family=family)
    with torch.device("meta"):
        assert parameters(config) == real_parameters(config)


def test_parameters_under_every_switch(config: Config) -> None:
    assert parameters(config) == real_parameters(config)


def test_arithmetic_is_what_the_products_of_a_step_take(
    config: Config, make: Callable[[Config], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "LONGEST", 0)  # products in place, as those by blocks, are not counted
    model = make(config)
    ids = torch.zeros(2, config.context_length, dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(ids).sum().backward()
    # the counter sees whole squares of attention, of which a causal model needs half
    attending = flops_per_token(config) - 6 * matrix_parameters(config)
    counted = counter.get_total_flops() / ids.numel()
    assert counted - 2 * attending == pytest.approx(6 * matrix_parameters(config))


def test_named_tensors_of_every_switch(config: Config) -> None:
    assert tensors(config) == len(list(build(config).parameters()))


def held_for_the_backward_pass(model: nn.Module, ids: Tensor, precision: str) -> int:
    """Bytes of what a forward pass with a loss leaves, without the weights and their copies in half precision."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    shapes = {parameter.shape for parameter in model.parameters() if parameter.ndim == 2}
    shapes |= {shape[::-1] for shape in shapes}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        copied = precision != "fp32" and tensor.shape in shapes and tensor.dtype == torch.bfloat16
        if (place := tensor.untyped_storage().data_ptr()) not in own and not copied:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast(precision):
        loss = model.loss_sum(ids, ids)
    assert loss.requires_grad
    return sum(kept.values())


def autocast(precision: str) -> AbstractContextManager[object]:
    return nullcontext() if precision == "fp32" else torch.autocast("cpu", torch.bfloat16)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("recompute", ["none", "every_second", "all"])
def test_kept_activations_are_those_the_backward_pass_holds(
    config: Config, make: Callable[[Config], nn.Module], precision: str, recompute: str
) -> None:
    model = make(config)
    set_recompute(model, recompute)
    ids = torch.zeros(3, config.context_length, dtype=torch.long)
    held = held_for_the_backward_pass(model, ids, precision)
    held -= FP32 * config.vocab_size * config.hidden_size  # the head's gradient is counted with the logits
    demand = Demand(3, CHUNK_ELEMENTS, precision=precision, recompute=recompute, heap=True)
    planned = memory(config, demand).activations
    if recompute != "none":  # what one layer needs while its turn lasts comes only then
        per_layer = memory(replace(config, num_layers=3), demand).activations - planned
        whole = memory(replace(config, num_layers=3), replace(demand, recompute="none")).activations
        whole -= memory(config, replace(demand, recompute="none")).activations
        planned -= whole
        assert per_layer <= whole
    assert held == pytest.approx(planned, rel=0.08)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_optimizer_memory_is_what_its_state_takes(config: Config, kind: str) -> None:
    optimizer = build_optimizer(build(config), OptimizerConfig(kind=kind))
    planned = memory(config, Demand(1, CHUNK_ELEMENTS, optimizer=kind))
    assert planned.optimizer == sum(tensor.nbytes for tensor in optimizer.state_tensors().values())
    assert planned.weights == planned.gradients == FP32 * real_parameters(config)


def test_the_total_is_the_largest_moment(config: Config) -> None:
    """With one micro-batch the gradients come as the activations go; with several they are there before."""
    once = memory(config, Demand(64, 4096))
    assert once.total == once.weights + once.optimizer + once.activations + once.logits
    again = memory(config, Demand(64, 4096, accumulates=True))
    assert again.total == once.total + once.gradients
    few = memory(config, Demand(1, 4096, cache_tokens=10**6, evaluation_rows=1))
    assert few.total == few.weights + few.optimizer + few.gradients + few.cache
    assert few.cache == FP32 * 10**6 * 2 * config.num_layers * config.num_kv_heads * config.head_size


def test_logits_are_bounded(config: Config) -> None:
    small, large = (memory(config, Demand(rows, logit_elements=4096)) for rows in (1, 1000))
    per_row = FP32 * config.context_length * config.hidden_size
    assert large.logits - small.logits <= 999 * per_row + FP32 * 2 * 4096


def test_what_a_demand_adds(config: Config) -> None:
    plain = memory(config, Demand(4, CHUNK_ELEMENTS))
    saved = memory(config, Demand(4, CHUNK_ELEMENTS, snapshot=True))
    assert saved.total - plain.total == saved.snapshot == plain.weights + plain.optimizer
    packed = memory(config, Demand(4, CHUNK_ELEMENTS, packed=True))
    assert packed.activations - plain.activations == FP32 * 4 * config.context_length**2
    for accumulates, part in ((True, SCATTERED), (False, SCATTERED_ONCE)):
        heap = memory(config, Demand(4, CHUNK_ELEMENTS, accumulates=accumulates, heap=True))
        assert heap.unused == int(part[0] * heap.activations + part[1] * heap.gradients)
    muon = memory(config, Demand(1, CHUNK_ELEMENTS, optimizer="muon"))
    assert muon.update > 0 == plain.update
    assert muon.optimizer < plain.optimizer
