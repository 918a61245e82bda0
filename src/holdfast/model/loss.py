"""Cross-entropy of a model's head, without ever holding the logits of all tokens at once."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from holdfast.model.portions import chunk_elements, chunk_rows
from holdfast.native import ops

LARGEST_HALF_SUM = 2.0**13  # an eighth of where fp16 ends


def cross_entropy_sum(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """The sum over trained positions of -log softmax(hidden @ weight.T)[target], in nats, as a fp32 scalar.

    hidden: (..., D). weight: (V, D). targets: (...), -1 where nothing is trained. No trained position gives 0. A GPU is
    not waited for where the targets are still in the host's memory.
    Under autocast the products are made in its format; the gradients of hidden and weight keep the format of those.
    """
    hidden, targets = hidden.flatten(0, -2), targets.flatten()
    trained = targets >= 0
    if not trained.all():
        places = trained.nonzero().squeeze(1)
        hidden, targets = hidden[places.to(hidden.device)], targets[places]
    targets = targets.to(hidden.device, non_blocking=True)
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, dtype, torch.is_grad_enabled())
    return loss


def slope_scale(dtype: torch.dtype, rows: int) -> float:
    """The power of two that slopes are multiplied by in the products of `dtype` that make the gradients of `rows` rows.

    A slope is between -1 and 1 and mostly near 1 / V, where fp16 loses its last bits; what the loss is multiplied by
    arrives after the products are made. Here a sum over the rows stays in range as long as what is summed is below 8,
    and a chunk has so few rows when V is large that the slopes come to about 2^-7 to 2^-11.
    """
    if dtype != torch.float16:
        return 1.0
    return float(LARGEST_HALF_SUM / 2 ** math.ceil(math.log2(max(1, rows))))


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradients are made on the way forward, while a chunk's probabilities are at hand: its logits are computed
    once and are gone when the next chunk starts (the idea of Hsu et al. 2024, Liger Kernel)."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, with_gradients: bool
    ) -> Tensor:
        with_gradients = with_gradients and (hidden.requires_grad or weight.requires_grad)
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        if with_gradients:
            hidden_grad = torch.empty_like(hidden)
            weight_grad = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device)
        most = chunk_elements(hidden.device.type, "fp16" if dtype == torch.float16 else "other")
        rows = chunk_rows(len(hidden), len(weight), most)
        scale = slope_scale(dtype, rows)
        table = weight.to(dtype)
        room = torch.empty(rows, len(weight), dtype=torch.float32, device=hidden.device)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), rows):
                part = slice(start, start + rows)
                x, target = hidden[part].to(dtype), targets[part, None]
                nats, slope = _softmax_slope(x, table, target, room[: len(x)])
                total += nats
                if not with_gradients:
                    continue
                if scale != 1.0:
                    slope *= scale
                if dtype == torch.float32:
                    torch.mm(slope, table, out=hidden_grad[part])
                    weight_grad.addmm_(slope.T, x)
                else:
                    slope = slope.to(dtype)
                    hidden_grad[part] = slope @ table
                    weight_grad += slope.T @ x
        if with_gradients:
            ctx.scale = scale
            ctx.made = hidden_grad, weight_grad
        return total.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        if ctx.made is None:
            raise RuntimeError("the gradients of this loss were given away: it can not be gone back through twice")
        hidden_grad, weight_grad = ctx.made
        ctx.made = None  # they are as large as the head, so they are not copied to be multiplied
        grad = grad / ctx.scale
        return hidden_grad.mul_(grad), weight_grad.mul_(grad), None, None, None


def _softmax_slope(x: Tensor, table: Tensor, target: Tensor, room: Tensor) -> tuple[Tensor | float, Tensor]:
    """(nats summed over the rows, d nats / d logits), the latter in `room` (rows, V); target: (rows, 1).

    -log softmax(z)[t] = max z - log max softmax(z) - z[t]: so only the probabilities are ever written down, and none
    that is too small for a float is taken the logarithm of. Their slope is softmax(z) - onehot(t).
    """
    z = torch.mm(x, table.T, out=room) if x.dtype == torch.float32 else room.copy_(x @ table.T)
    if ops.fits(z):
        return ops.cross_entropy(z, target), z
    at_target, top = z.gather(1, target), z.amax(1, keepdim=True)
    p = torch.softmax(z, 1, out=room)
    nats = (top - p.amax(1, keepdim=True).log() - at_target).sum(dtype=torch.float64)
    return nats, p.scatter_add_(1, target, torch.full_like(target, -1, dtype=torch.float32))
