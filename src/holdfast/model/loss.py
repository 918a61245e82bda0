"""Cross-entropy of a model's head, without ever holding the logits of all tokens at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_ELEMENTS = 1 << 20  # logits held at a time: 4 MB in fp32, which stays in a CPU's cache
SPARSE = 0.75  # below this part of trained positions, the others are left out before the head


def cross_entropy_sum(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The sum over trained positions of -log softmax(hidden @ weight.T)[target], in nats, as a fp32 scalar.

    hidden: (..., D). weight: (V, D). targets: (...), -1 where nothing is trained. No trained position gives 0.
    """
    hidden, targets = hidden.flatten(0, -2), targets.flatten()
    trained = targets >= 0
    if int(trained.sum()) < SPARSE * len(targets):
        places = trained.nonzero().squeeze(1)
        hidden, targets = hidden[places], targets[places]
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, torch.is_grad_enabled())
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradients are made on the way forward, while a chunk's probabilities are at hand: its logits are computed
    once and are gone when the next chunk starts (the idea of Hsu et al. 2024, Liger Kernel)."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, with_gradients: bool) -> Tensor:
        with_gradients = with_gradients and (hidden.requires_grad or weight.requires_grad)
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        if with_gradients:
            hidden_grad = torch.empty_like(hidden)
            weight_grad = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device)
        rows = max(1, CHUNK_ELEMENTS // len(weight))
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), rows):
                part = slice(start, start + rows)
                x, target = hidden[part], targets[part, None]
                trained = target >= 0
                place = target.clamp(min=0)
                log_p = torch.log_softmax((x @ weight.T).float(), -1)
                total -= (log_p.gather(1, place) * trained).sum(dtype=torch.float64)
                if with_gradients:
                    # d/dz of -log softmax(z)[t] is softmax(z) - onehot(t)
                    slope = log_p.exp_().scatter_add_(1, place, -torch.ones_like(place, dtype=torch.float32))
                    slope = slope.mul_(trained).to(x.dtype)
                    torch.mm(slope, weight, out=hidden_grad[part])
                    weight_grad += slope.T @ x
        if with_gradients:
            ctx.save_for_backward(hidden_grad, weight_grad.to(weight.dtype))
        return total.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden_grad, weight_grad = ctx.saved_tensors
        return hidden_grad * grad.to(hidden_grad.dtype), weight_grad * grad.to(weight_grad.dtype), None, None
