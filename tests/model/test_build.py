"""First weights are a value: a pure function of the seed and of each parameter's name."""

from __future__ import annotations

import math

import pytest
import torch

from holdfast.model.build import build, initialise
from holdfast.model.config import Config, TransformerConfig
from holdfast.model.gpt2 import GPT2


def test_weights_follow_from_the_seed_alone(config: Config) -> None:
    one, two, other = build(config), build(config), build(config)
    initialise(one, 1)
    torch.manual_seed(99)
    torch.rand(17)
    initialise(two, 1)
    initialise(other, 2)
    assert all(torch.equal(mine, yours) for mine, yours in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.embed.weight, other.embed.weight)


def test_no_global_random_number_is_drawn(config: Config) -> None:
    model = build(config)
    before = torch.get_rng_state()
    initialise(model, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_layer_gets_the_same_weights_in_a_deeper_model() -> None:
    shallow, deep = (build(TransformerConfig(64, 8, 16, layers, 2, 2, 32)) for layers in (1, 3))
    initialise(shallow, 1)
    initialise(deep, 1)
    shared = deep.state_dict()
    assert all(torch.equal(tensor, shared[name]) for name, tensor in shallow.state_dict().items())


def test_every_weight_is_set_and_blocks_begin_gently(config: Config) -> None:
    model = build(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(math.nan)
    initialise(model, 3)
    ids = torch.arange(32)[None] % config.vocab_size
    loss = model.loss_sum(ids, ids.roll(-1)) / 32
    assert loss.item() == pytest.approx(math.log(config.vocab_size), abs=0.3)  # next to no opinion
    if not isinstance(model, GPT2):
        assert torch.equal(model.hidden(ids), model.norm(model.embed(ids)))
