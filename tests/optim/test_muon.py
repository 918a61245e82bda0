"""Muon in batches against Muon one matrix at a time, and what its iteration promises."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from holdfast.optim.muon import Muon, orthogonalise

SHAPES = {"square": (8, 8), "up": (24, 8), "down": (8, 24), "up again": (24, 8)}


def plain_orthogonalise(matrix: Tensor) -> Tensor:
    """The iteration as published, for one matrix in float64."""
    x = matrix.double()
    if x.shape[0] > x.shape[1]:
        return plain_orthogonalise(matrix.T).T
    x = x / x.norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def test_updates_are_those_of_one_matrix_at_a_time() -> None:
    generator = torch.Generator().manual_seed(0)
    parameters = {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in SHAPES.items()}
    expected = {name: parameter.detach().double() for name, parameter in parameters.items()}
    momentum = {name: torch.zeros(shape).double() for name, shape in SHAPES.items()}
    muon = Muon(parameters, learning_rate=0.1, weight_decay=0.3, momentum=0.9)
    for scale in (1.0, 0.5, 0.25):
        for parameter in parameters.values():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            muon.step(scale)
        for name, parameter in parameters.items():
            gradient = parameter.grad.double()
            momentum[name] = 0.9 * momentum[name] + 0.1 * gradient
            update = plain_orthogonalise(0.1 * gradient + 0.9 * momentum[name])
            rows, columns = parameter.shape
            rate = 0.1 * scale
            expected[name] = expected[name] * (1 - rate * 0.3) - rate * math.sqrt(max(1, rows / columns)) * update
            torch.testing.assert_close(parameter.detach().double(), expected[name], rtol=1e-4, atol=1e-5)
    for name, tensor in muon.state_tensors().items():
        torch.testing.assert_close(tensor.double(), momentum[name.removesuffix(".momentum")], rtol=1e-4, atol=1e-5)


@settings(max_examples=40)
@given(rows=st.integers(1, 24), columns=st.integers(1, 24), size=st.floats(1e-5, 1e5), seed=st.integers(0, 99))
def test_singular_values_come_near_one_and_keep_their_directions(
    rows: int, columns: int, size: float, seed: int
) -> None:
    matrices = size * torch.randn(2, rows, columns, generator=torch.Generator().manual_seed(seed))
    made = orthogonalise(matrices)
    for before, after in zip(matrices, made, strict=True):
        left, values, right = torch.linalg.svd(before, full_matrices=False)
        large = values > 0.05 * values.max() * math.sqrt(len(values))  # tiny ones need more than five rounds
        turned = left.T @ after @ right.T
        assert ((turned.diagonal()[large] > 0.5) & (turned.diagonal()[large] < 1.3)).all()
        torch.testing.assert_close(turned - turned.diagonal().diag(), torch.zeros_like(turned), rtol=0, atol=2e-3)


def test_a_gradient_of_nothing_moves_nothing() -> None:
    parameter = nn.Parameter(torch.ones(4, 4))
    parameter.grad = torch.zeros(4, 4)
    with torch.no_grad():
        Muon({"w": parameter}, 0.1, 0.0, 0.95).step(1.0)
    assert torch.equal(parameter.detach(), torch.ones(4, 4))


def test_half_of_a_shape_without_gradients_is_an_error() -> None:
    one, two = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4, 4))
    one.grad = torch.ones(4, 4)
    with pytest.raises(ValueError, match="two has no gradient"):
        Muon({"one": one, "two": two}, 0.1, 0.0, 0.95).step(1.0)
