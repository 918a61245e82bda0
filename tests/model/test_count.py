"""What is worked out from a config against what a real model has, does and keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from holdfast.model.build import build
from holdfast.model.config import Config
from holdfast.model.count import flops_per_token, matrix_parameters, memory, parameters
from holdfast.model.loss import CHUNK_ELEMENTS
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


def test_arithmetic_is_what_the_products_of_a_step_take(config: Config, make: Callable[[Config], nn.Module]) -> None:
    model = make(config)
    ids = torch.zeros(2, config.context_length, dtype=torch.long)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(ids).sum().backward()
    # the counter sees whole squares of attention, of which a causal model needs half
    attention = flops_per_token(config) - 6 * matrix_parameters(config)
    counted = counter.get_total_flops() / ids.numel()
    assert counted - 2 * attention == pytest.approx(6 * matrix_parameters(config))


def test_kept_activations_are_those_the_backward_pass_holds(
    config: Config, make: Callable[[Config], nn.Module]
) -> None:
    model = make(config)
    ids = torch.zeros(2, config.context_length, dtype=torch.long)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if (place := tensor.untyped_storage().data_ptr()) not in own:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.loss_sum(ids, ids)
    head = FP32 * config.vocab_size * config.hidden_size  # its gradient is counted with the logits
    assert loss.requires_grad
    planned = memory(config, rows=2, optimizer="adamw", logit_elements=CHUNK_ELEMENTS).activations
    assert sum(kept.values()) - head == pytest.approx(planned, rel=0.08)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_optimizer_memory_is_what_its_state_takes(config: Config, kind: str) -> None:
    optimizer = build_optimizer(build(config), OptimizerConfig(kind=kind))
    planned = memory(config, rows=1, optimizer=kind, logit_elements=CHUNK_ELEMENTS)
    assert planned.optimizer == sum(tensor.nbytes for tensor in optimizer.state_tensors().values())
    assert planned.weights == planned.gradients == FP32 * real_parameters(config)


def test_the_total_is_the_sum_of_its_parts_and_logits_are_bounded(config: Config) -> None:
    small, large = (memory(config, rows, "adamw", logit_elements=4096) for rows in (1, 1000))
    assert small.total == small.weights + small.gradients + small.optimizer + small.activations + small.logits
    per_row = FP32 * config.context_length * config.hidden_size
    assert large.logits - small.logits <= 999 * per_row + FP32 * 2 * 4096
