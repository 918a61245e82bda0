"""The pieces that models are put together from. Shapes: B rows, T positions, H heads, D width of a head."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from holdfast.model.cache import KVCache
from holdfast.model.documents import Documents, attend_documents, documents_mask


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension (Zhang & Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = _RMSNorm.apply(x, self.weight, self.eps)
        return y


class _RMSNorm(torch.autograd.Function):
    """Written out because these small operations, not the matrices, are what a tiny model waits for on a CPU: the
    gradient takes half the passes over memory that autograd's own would, and keeps one tensor for it, not two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        normed = (x * scale).to(x.dtype)
        ctx.save_for_backward(normed, scale, weight)
        return (normed * weight).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        normed, scale, weight = ctx.saved_tensors
        product = (grad * normed).to(weight.dtype)
        along = (product @ weight).unsqueeze(-1)  # what the gradient would change of the length, which does not count
        x_grad = (grad * weight).addcmul_(normed, along, value=-1 / weight.shape[0]).mul_(scale)
        return x_grad.to(normed.dtype), product.flatten(0, -2).sum(0), None


def squared_relu(x: Tensor) -> Tensor:
    """relu(x)^2 (So et al. 2021)."""
    y: Tensor = _SquaredReLU.apply(x)
    return y


class _SquaredReLU(torch.autograd.Function):
    """Written out for the same reason: 2 relu(x) is the whole derivative, so one tensor is kept and no mask made."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        above = x.relu()
        ctx.save_for_backward(above)
        return above * above

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (above,) = ctx.saved_tensors
        return (grad * above).mul_(2)


class Rotary(nn.Module):
    """Rotary positions (Su et al. 2021): the pairs (i, i + D/2) of a head are turned by position / theta^(2i/D)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, head_size: int, context_length: int, theta: float) -> None:
        super().__init__()
        frequency = theta ** -(torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
        angle = torch.arange(context_length, dtype=torch.float64)[:, None] * frequency
        self.register_buffer("cos", angle.cos().repeat(1, 2).float(), persistent=False)  # (context, D)
        self.register_buffer("sin", torch.cat([-angle.sin(), angle.sin()], -1).float(), persistent=False)

    def at(self, positions: Tensor | slice) -> tuple[Tensor, Tensor]:
        """The cosines and signed sines at `positions`, (T,) or (B, T), shaped to meet a (B, H, T, D) tensor."""
        cos, sin = self.cos[positions], self.sin[positions]
        return (cos[:, None], sin[:, None]) if cos.ndim == 3 else (cos, sin)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys (B, H, T, D); `sin` carries the sign of the half it meets."""
    half = x.shape[-1] // 2
    return x * cos + x.roll(half, -1) * sin


def split_heads(x: Tensor, head_size: int) -> Tensor:
    """(B, T, H * D) -> (B, H, T, D)."""
    return x.unflatten(-1, (-1, head_size)).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | Documents | None, dropout: float) -> Tensor:
    """Causal attention: q (B, H, T, D) over k, v (B, K, S, D), where H is a multiple of K; gives (B, T, H * D).

    mask: additive (B or 1, 1, T, S), or None: every query sees the keys up to its own place, counted from the end.
    """
    if isinstance(mask, Documents):
        return attend_documents(q, k, v, mask, dropout).transpose(1, 2).flatten(2)
    causal = mask is None and q.shape[2] > 1
    grouped = q.shape[1] != k.shape[1]
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal, enable_gqa=grouped)
    return y.transpose(1, 2).flatten(2)


def attention_mask(ids: Tensor, segments: Tensor | None, cache: KVCache | None) -> Tensor | Documents | None:
    """The one mask that all layers share; None where plain causal attention does."""
    if segments is not None:
        if cache is not None:
            raise ValueError("a cache continues whole rows: it can not be used together with segments")
        return documents_mask(segments)
    if cache is not None and cache.length and ids.shape[1] > 1:
        return continued_causal_mask(cache.length, ids.shape[1], ids.device)
    return None


def continued_causal_mask(past: int, length: int, device: torch.device) -> Tensor:
    """(1, 1, T, past + T) float mask for T queries whose keys follow `past` cached ones."""
    unseen = torch.full((length, past + length), float("-inf"), device=device)
    return unseen.triu_(past + 1)[None, None]


def restarting_positions(segments: Tensor) -> Tensor:
    """(B, T) segment numbers -> (B, T) positions counted from the start of the segment each token is in."""
    places = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    starts = torch.zeros_like(places)
    starts[:, 1:] = places[:, 1:] * (segments[:, 1:] != segments[:, :-1])
    return places - starts.cummax(1).values
