"""A model small enough to take twenty steps in no time, and the bytes it learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from holdfast.model.build import build, initialise
from holdfast.model.config import Config, GPT2Config, TransformerConfig
from holdfast.optim.build import Optimizer

CONFIGS: dict[str, Config] = {
    "transformer": TransformerConfig(64, 32, 32, 2, 4, 2, 128, mlp="relu2", tied=False),
    "gpt2": GPT2Config(64, 32, 32, 2, 4),
}
Train = Callable[[nn.Module, Optimizer, int, int], list[float]]


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> nn.Module:
    return first_model(request.param)


def first_model(family: str) -> nn.Module:
    built = build(CONFIGS[family])
    initialise(built, seed=3)
    return built


@pytest.fixture
def same_model(model: nn.Module) -> Callable[[], nn.Module]:
    """Makes models equal to `model` as it was at first."""

    def made() -> nn.Module:
        twin = build(model.config)  # type: ignore[arg-type] # nn.Module hides its fields
        initialise(twin, seed=3)
        return twin

    return made


def batches(start: int) -> Iterator[Tensor]:
    """(4, 33) ids a step: each is one more or two more than the one before, so there is something to learn."""
    while True:
        generator = torch.Generator().manual_seed(start)
        yield torch.randint(1, 3, (4, 33), generator=generator).cumsum(1) % 64
        start += 1


@pytest.fixture
def train() -> Train:
    """Steps `start` to `stop`; returns the mean loss before each of them."""

    def trained(model: nn.Module, optimizer: Optimizer, start: int, stop: int) -> list[float]:
        losses = []
        for _, ids in zip(range(start, stop), batches(start), strict=False):
            optimizer.zero_grad()
            loss = model.loss_sum(ids[:, :-1], ids[:, 1:]) / ids[:, 1:].numel()
            loss.backward()
            optimizer.step(0.5)
            losses.append(loss.item())
        return losses

    return trained
