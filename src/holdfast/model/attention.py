"""Causal attention: torch's kernels, and on a CPU in fp32 matrix products by blocks of queries, which are faster there.

Shapes: B rows, H heads of queries, K heads of keys and values (H a multiple of K), T positions, D width of a head.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from holdfast.model.documents import Documents, Mask, attend_documents
from holdfast.model.portions import LONGEST, blocks
from holdfast.native import ops


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask, dropout: float) -> Tensor:
    """Causal attention: q (B, H, T, D) over k, v (B, K, S, D); gives (B, T, H * D).

    mask: additive (B or 1, 1, T, S), or None: every query sees the keys up to its own place, counted from the end.
    """
    if isinstance(mask, Documents):
        y = attend_documents(q, k, v, mask, dropout)
    elif in_blocks(q, k, dropout):
        y = _BlockAttention.apply(q, k, v, mask)
    else:
        causal, grouped = mask is None and q.shape[2] > 1, q.shape[1] != k.shape[1]
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal, enable_gqa=grouped
        )
    return y.transpose(1, 2).flatten(2)


def in_blocks(q: Tensor, k: Tensor, dropout: float) -> bool:
    """Whether attention is made of matrix products here: whole rows in fp32 on a CPU."""
    plain = q.device.type == "cpu" and q.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and dropout == 0.0 and 1 < q.shape[2] == k.shape[2] <= LONGEST


class _BlockAttention(torch.autograd.Function):
    """A block of queries meets the keys up to its end, all heads in one batched product; the probabilities are kept
    for the way back, where torch's kernel for CPUs computes them again."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        (rows, heads, length, width), groups = q.shape, k.shape[1]
        q, k, v = q.contiguous(), k.contiguous().flatten(0, 1), v.contiguous().flatten(0, 1)
        y = torch.empty(rows * groups, heads // groups, length, width)
        kept = []
        for part in blocks(length):
            size, end = part.stop - part.start, part.stop
            scores = torch.bmm(_queries(q, groups, part), k[:, :end].mT).view(rows, heads, size, end)
            p = _probabilities(scores, mask, part, width**-0.5).view(rows * groups, -1, end)
            y[:, :, part] = torch.bmm(p, v[:, :end]).view(rows * groups, -1, size, width)
            kept.append(p)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.causal = mask is None
        return y.view(rows, heads, length, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, *kept = ctx.saved_tensors
        (rows, heads, length, width), groups = q.shape, len(k) // len(q)
        q_grad = q.new_empty(rows * groups, heads // groups, length, width)
        k_grad, v_grad = torch.zeros_like(k), torch.zeros_like(v)
        for part, p in zip(blocks(length), kept, strict=True):
            size, end = part.stop - part.start, part.stop
            queries, slopes = _queries(q, groups, part), _queries(grad, groups, part)
            v_grad[:, :end].baddbmm_(p.mT, slopes)
            score_grad = torch.bmm(slopes, v[:, :end].mT)
            if ctx.causal and ops.fits(score_grad):
                ops.causal_softmax_back(score_grad, p, width**-0.5, size, part.start + 1)
            else:
                score_grad = torch._softmax_backward_data(score_grad, p, -1, p.dtype).mul_(width**-0.5)
            k_grad[:, :end].baddbmm_(score_grad.mT, queries)
            q_grad[:, :, part] = torch.bmm(score_grad, k[:, :end]).view(rows * groups, -1, size, width)
        shared = rows, groups, length, width
        return q_grad.view_as(q), k_grad.view(shared), v_grad.view(shared), None


def _probabilities(scores: Tensor, mask: Tensor | None, part: slice, scale: float) -> Tensor:
    """softmax(scale scores) over what each query of the block `part` sees; scores: (B, H, block, S), overwritten."""
    if mask is None and ops.fits(scores):
        return ops.causal_softmax(scores, scale, scores.shape[2], part.start + 1)
    scores *= scale
    if mask is None:
        scores[..., part] += torch.full(2 * (scores.shape[2],), float("-inf")).triu_(1)
    else:
        scores += mask[:, :, part, : part.stop]
    return torch.softmax(scores, -1)


def _queries(x: Tensor, groups: int, part: slice) -> Tensor:
    """(B, H, T, D) -> (B * K, H / K * block, D): the queries that share their keys, side by side."""
    rows, heads, _, width = x.shape
    return x[:, :, part].reshape(rows * groups, heads // groups * (part.stop - part.start), width)
