"""From a config to a model with its first weights."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn

from holdfast.model.config import Config, GPT2Config, config_from_dict, config_to_dict
from holdfast.model.gpt2 import GPT2
from holdfast.model.transformer import Transformer

__all__ = ["build", "config_from_dict", "config_to_dict", "initialise"]

EMBEDDING_STD = 0.02
POSITION_STD = 0.01
GPT2_STD = 0.02


def build(config: Config) -> Transformer | GPT2:
    """The model of a config, its weights not yet set: `initialise` or load a checkpoint."""
    return GPT2(config) if isinstance(config, GPT2Config) else Transformer(config)


@torch.no_grad()
def initialise(model: nn.Module, seed: int) -> None:
    """Set every weight from (seed, its name): the same on every device, in any order, whatever was drawn before.

    transformer: matrices have variance 1/fan_in, so that a normalised input keeps its size. The projections that
    write into the residual stream (attention.o, mlp.down) start at zero: each block starts as the identity, the
    stream keeps the tokens' own vectors, and depth adds no variance (Zhang et al. 2019, Fixup; Yang et al. 2022).
    gpt2: the rule of its paper, one small deviation for all, divided by sqrt(2 * num_layers) in those projections.
    """
    config = model.config
    for name, parameter in model.named_parameters():
        std = _gpt2_std(name, config.num_layers) if isinstance(config, GPT2Config) else _std(name, parameter)
        if std is None:
            parameter.fill_(1.0 if name.endswith("weight") else 0.0)
        else:
            parameter.copy_(_normal(parameter, seed, name) * std)


def _std(name: str, parameter: Tensor) -> float | None:
    """Deviation of a transformer's parameter; None for a norm."""
    if parameter.ndim < 2:
        return None
    if name in ("embed.weight", "head.weight"):
        return EMBEDDING_STD
    if name == "pairs.weight" or name.endswith((".o.weight", ".down.weight")):
        return 0.0
    return 1 / math.sqrt(parameter.shape[1])


def _gpt2_std(name: str, num_layers: int) -> float | None:
    """Deviation of a GPT-2's parameter; None for a norm or a bias."""
    if name.endswith("bias") or "norm." in name:
        return None
    if name == "positions.weight":
        return POSITION_STD
    return GPT2_STD / math.sqrt(2 * num_layers) if name.endswith((".o.weight", ".down.weight")) else GPT2_STD


def _normal(like: Tensor, seed: int, name: str) -> Tensor:
    """Standard normal numbers that depend on nothing but the seed, the name and the shape."""
    digest = hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
    return torch.randn(like.shape, generator=generator)
