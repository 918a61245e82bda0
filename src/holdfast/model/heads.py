"""From one projection of the stream to the heads that attend: split, normalised, turned to their positions.

Shapes: B rows, T positions, H heads of queries, K heads of keys and values, D width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from holdfast.model.parts import RMSNorm, rotate, split_heads
from holdfast.native import ops

Turn = tuple[Tensor, Tensor]  # cosines and sines of the positions at hand, from parts.Rotary


def turned_heads(
    joined: Tensor, q_norm: nn.Module, k_norm: nn.Module, turn: Turn, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T, (H + 2K) D), queries, keys and values side by side -> q (B, H, T, D), k and v (B, K, T, D).

    groups: K. q_norm, k_norm: an RMSNorm, or anything that leaves its argument alone.
    """
    width = turn[0].shape[-1]
    if ops.fits(joined) and turn[0].ndim == 2:
        weights = [norm.weight if isinstance(norm, RMSNorm) else None for norm in (q_norm, k_norm)]
        eps = q_norm.eps if isinstance(q_norm, RMSNorm) else 0.0
        q, k, v = _Heads.apply(joined, *weights, *turn, eps, groups)
        return q, k, v
    shared = groups * width
    q, k, v = (split_heads(y, width) for y in joined.split([joined.shape[-1] - 2 * shared, shared, shared], -1))
    return rotate(q_norm(q), *turn), rotate(k_norm(k), *turn), v


class _Heads(torch.autograd.Function):
    """By the kernels: each head is read once and written once, to where attention wants it."""

    @staticmethod
    def forward(
        ctx: Any,
        joined: Tensor,
        q_weight: Tensor | None,
        k_weight: Tensor | None,
        cosine: Tensor,
        sine: Tensor,
        eps: float,
        groups: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        heads = joined.shape[-1] // cosine.shape[-1] - 2 * groups
        turn = cosine.contiguous(), sine.contiguous()
        q, k, v, scale = ops.heads(joined, (q_weight, k_weight), turn, eps, heads, groups)
        ctx.save_for_backward(None if q_weight is None else joined, q_weight, k_weight, *turn, scale)
        return q, k, v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        joined, q_weight, k_weight, cosine, sine, scale = ctx.saved_tensors
        return *ops.heads_back(grads, joined, (q_weight, k_weight), (cosine, sine), scale), None, None, None, None
