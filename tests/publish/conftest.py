"""Trained models in miniature: every family, weights large enough that a swapped matrix shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from holdfast.model.build import build, config_to_dict, initialise
from holdfast.model.config import Config, GPT2Config, TransformerConfig
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train
from holdfast.vault.manifest import Manifest

TEXT = [
    "The harbour master counted 12 ships; the café wasn't open.\n\nSailors don't like the rain. " * 8,
    "Salt and rope and tar, and salt again; naïve gulls over the old quay.\r\n\tThen it cleared.  " * 8,
]


@dataclass(frozen=True)
class Miniature:
    """What an export needs, without a run directory."""

    model: nn.Module
    tokenizer: Tokenizer
    manifest: Manifest
    stage: str


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train(iter(TEXT), TokenizerSettings(vocab_size=320))


@pytest.fixture(scope="session")
def make(tokenizer: Tokenizer) -> Callable[..., Miniature]:
    """make(family="transformer", stage="sft", **config values) -> Miniature."""

    def made(
        family: str = "transformer", stage: str = "sft", speaks: Tokenizer = tokenizer, **values: Any
    ) -> Miniature:
        shape: dict[str, Any] = {
            "vocab_size": speaks.vocab_size,
            "context_length": 64,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
        }
        config: Config
        if family == "gpt2":
            config = GPT2Config(**shape | values)
        else:
            config = TransformerConfig(**shape | {"num_kv_heads": 2, "intermediate_size": 48} | values)
        model = build(config)
        initialise(model, 1)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
        manifest = Manifest(stage=stage, step=7, incarnation=1, tokens=12_345, model=config_to_dict(config))
        return Miniature(model, speaks, manifest, stage)

    return made
