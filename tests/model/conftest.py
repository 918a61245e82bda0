"""Small configs of every family and switch, and models made from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from holdfast.model.build import build, initialise
from holdfast.model.config import Config, GPT2Config, TransformerConfig

SHAPE: dict[str, Any] = {"vocab_size": 96, "context_length": 48, "hidden_size": 32, "num_layers": 2, "num_heads": 4}
CONFIGS: dict[str, Config] = {
    "qwen3": TransformerConfig(**SHAPE, num_kv_heads=4, intermediate_size=64),
    "apertus": TransformerConfig(**SHAPE, num_kv_heads=4, intermediate_size=128, mlp="relu2", tied=False),
    "llama": TransformerConfig(**SHAPE, num_kv_heads=2, intermediate_size=64, qk_norm=False),
    "arcee": TransformerConfig(**SHAPE, num_kv_heads=1, head_dim=16, intermediate_size=64, mlp="relu2", qk_norm=False),
    "fast": TransformerConfig(**SHAPE, num_kv_heads=4, intermediate_size=128, mlp="relu2", tied=False, profile="fast"),
    "gpt2": GPT2Config(**SHAPE),
}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> Config:
    return CONFIGS[request.param]


@pytest.fixture
def make() -> Callable[[Config], torch.nn.Module]:
    """A model whose every weight matters: the projections that start at zero are set, too, and pairs are known."""

    def made(config: Config) -> torch.nn.Module:
        model = build(config)
        initialise(model, seed=5)
        generator = torch.Generator().manual_seed(6)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim == 1 or name.endswith((".o.weight", ".down.weight", "pairs.weight")):
                    parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
            if getattr(model, "pairs", None) is not None:
                rows = len(model.pairs.keys)
                model.pairs.keys.copy_(torch.randperm(96 * 96, generator=generator)[:rows].sort().values)
        return model

    return made


@pytest.fixture
def ids() -> torch.Tensor:
    """(3, 40) token ids."""
    return torch.randint(0, SHAPE["vocab_size"], (3, 40), generator=torch.Generator().manual_seed(7))
