"""Every trainable weight is in one group, and in the right one."""

from __future__ import annotations

import torch
from torch import nn

from holdfast.model.build import build
from holdfast.model.config import TransformerConfig
from holdfast.optim.groups import group


def test_every_parameter_is_in_exactly_one_group(model: nn.Module) -> None:
    groups = group(model)
    names = [*groups.hidden, *groups.output, *groups.tables, *groups.steady]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert all(parameter.ndim == 2 and name.startswith("layers.") for name, parameter in groups.hidden.items())


def test_the_rim_is_told_apart() -> None:
    untied = group(build(TransformerConfig(64, 8, 16, 1, 2, 2, 32, tied=False)))
    tied = group(build(TransformerConfig(64, 8, 16, 1, 2, 2, 32, tied=True)))
    assert list(untied.output) == ["head.weight"]
    assert not tied.output
    assert "embed.weight" in untied.tables
    assert "embed.weight" in tied.tables
    assert "layers.0.attention.q_norm.weight" in tied.steady


def test_frozen_weights_are_left_out() -> None:
    model = build(TransformerConfig(64, 8, 16, 1, 2, 2, 32))
    model.embed.requires_grad_(False)
    groups = group(model)
    assert "embed.weight" not in groups.hidden | groups.output | groups.tables | groups.steady
    assert isinstance(groups.hidden["layers.0.mlp.up.weight"], torch.nn.Parameter)
