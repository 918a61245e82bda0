"""Tiny models with large weights, so that what they say depends on every token they read."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from holdfast.model.build import build, initialise
from holdfast.model.config import Config, GPT2Config, TransformerConfig
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train

CONTEXT = 48
CONFIGS: dict[str, Config] = {
    "swiglu": TransformerConfig(
        vocab_size=64, context_length=CONTEXT, hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=2,
        intermediate_size=48, dropout=0.5,
    ),
    "relu2": TransformerConfig(
        vocab_size=64, context_length=CONTEXT, hidden_size=32, num_layers=2, num_heads=4, num_kv_heads=4,
        intermediate_size=48, mlp="relu2", qk_norm=False, tied=False,
    ),
    "gpt2": GPT2Config(vocab_size=64, context_length=CONTEXT, hidden_size=32, num_layers=2, num_heads=4),
}  # fmt: skip


def lively(config: Config, seed: int = 0) -> nn.Module:
    """A model whose every matrix matters: fresh weights would ignore the text."""
    model = build(config)
    initialise(model, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.25 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture(params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest) -> nn.Module:
    """Each family in turn."""
    return lively(CONFIGS[request.param])


@pytest.fixture
def any_model() -> nn.Module:
    """One family, where the others would show nothing new."""
    return lively(CONFIGS["swiglu"])


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """Bytes and control tokens."""
    return train(iter(()), TokenizerSettings(kind="byte"))
