"""Muon (Jordan et al. 2024): momentum whose update is made orthogonal, for the matrices inside a network.

All matrices of one shape are one batch: their momentum is stored stacked and the iteration runs as a handful of batched
products, because on small models calling overhead, not arithmetic, is what a step of Muon costs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

# Quintic that lifts small singular values fast and lets the large ones settle around 1 (Jordan et al. 2024).
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
NORM_FLOOR = 1e-7
LONG = 1.5  # times the short side, from which on a matrix is left out of the iteration in favour of its Gram matrix


class Muon:
    """Updates named matrices (out, in).

    learning_rate is scaled by what `step` is given and by sqrt(max(1, out / in)), which makes the change of a layer's
    output alike for all shapes; weight_decay is decoupled and scaled by the rate of the step.
    """

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], learning_rate: float, weight_decay: float, momentum: float
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.momentum = momentum
        shapes: dict[tuple[int, int], dict[str, nn.Parameter]] = defaultdict(dict)
        for name, parameter in parameters.items():
            shapes[parameter.shape[0], parameter.shape[1]][name] = parameter
        self._stacks = [_Stack(members) for members in shapes.values()]

    def step(self, scale: float) -> None:
        """One update at `scale` times the learning rate. Without gradients the matrices stay as they are."""
        for stack in self._stacks:
            if all(parameter.grad is None for parameter in stack.parameters):
                continue
            rate = self.learning_rate * scale
            update = orthogonalise(stack.nesterov(self.momentum))
            torch._foreach_mul_(stack.parameters, 1 - rate * self.weight_decay)
            torch._foreach_add_(stack.parameters, list(update.unbind()), alpha=-rate * stack.shape_scale)

    def state_tensors(self) -> dict[str, Tensor]:
        """The live momentum of every matrix, as "<parameter>.momentum"."""
        return {
            f"{name}.momentum": part
            for stack in self._stacks
            for name, part in zip(stack.names, stack.momentum.unbind(), strict=True)
        }


class _Stack:
    """The matrices of one shape and their momentum (N, out, in)."""

    def __init__(self, members: Mapping[str, nn.Parameter]) -> None:
        self.names = list(members)
        self.parameters: list[Tensor] = list(members.values())
        first = self.parameters[0]
        rows, columns = first.shape
        self.momentum = torch.zeros(len(members), rows, columns, device=first.device)
        self.shape_scale = math.sqrt(max(1.0, rows / columns))

    def nesterov(self, momentum: float) -> Tensor:
        """Move the momentum towards the gradients and look one step ahead: (N, out, in)."""
        grads = [parameter.grad for parameter in self.parameters]
        missing = [name for name, grad in zip(self.names, grads, strict=True) if grad is None]
        if missing:
            raise ValueError(f"{missing[0]} has no gradient while other matrices of its shape have one")
        stacked = torch.stack([grad for grad in grads if grad is not None]).to(self.momentum.dtype)
        self.momentum.lerp_(stacked, 1 - momentum)
        return stacked.lerp_(self.momentum, momentum)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Bring the singular values of each of (N, out, in) matrices near 1, keeping the singular vectors.

    Newton-Schulz on the smaller side. In bf16 on a GPU; in fp32 on a CPU, where bf16 products are several times slower.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x.bfloat16() if x.is_cuda else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=NORM_FLOOR)
    long = x.shape[2] >= LONG * x.shape[1] and x.dtype == torch.float32
    x = torch.bmm(_factor(torch.bmm(x, x.mT)), x) if long else _iterated(x)
    return (x.mT if tall else x).to(matrices.dtype)


def _iterated(x: Tensor) -> Tensor:
    """x after all iterations, each of which multiplies it with a polynomial of its Gram matrix."""
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _factor(gram: Tensor) -> Tensor:
    """What all iterations together multiply a matrix with that has this Gram matrix, (N, short, short).

    All that comes up is a polynomial of the Gram matrix, so it commutes, and the long side is needed only before and
    after. The rounding of small eigenvalues does not matter: where they are small, the polynomials are constant.
    """
    a, b, c = COEFFICIENTS
    factor = None
    for left in reversed(range(ITERATIONS)):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal(dim1=1, dim2=2).add_(a)
        factor = polynomial if factor is None else torch.bmm(polynomial, factor)
        if left:
            gram = torch.bmm(polynomial, torch.bmm(polynomial, gram))
    assert factor is not None
    return factor
