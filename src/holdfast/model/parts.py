"""The pieces that models are put together from. Shapes: B rows, T positions, H heads, D width of a head."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from holdfast.model.cache import KVCache
from holdfast.model.documents import Mask, documents_mask
from holdfast.native import ops

WORTH_JOINING = 256  # vectors from which copying the matrices costs less than it saves


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last dimension (Zhang & Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = _RMSNorm.apply(x, None, self.weight, self.eps)[1]
        return normed

    def of_sum(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(x + y, that normalised)."""
        both: tuple[Tensor, Tensor] = _RMSNorm.apply(x, y, self.weight, self.eps)
        return both


class _RMSNorm(torch.autograd.Function):
    """Written out because these small operations, not the matrices, are what a tiny model waits for on a CPU: the
    gradient takes half the passes over memory that autograd's own would, and keeps one tensor for it, not two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        if ops.fits(x) and (y is None or y.dtype == x.dtype):
            total, normed, scale = ops.norm(x, y, weight, eps)
        else:
            total = x if y is None else x + y
            length = torch.linalg.vector_norm(total, dim=-1, keepdim=True, dtype=torch.float32)
            scale = length.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
            normed = ((total * scale).to(x.dtype) * weight).to(x.dtype)
        ctx.save_for_backward(total, scale, weight)
        ctx.alone = y is None
        ctx.set_materialize_grads(False)
        return total, normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, beside: Tensor | None, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        total, scale, weight = ctx.saved_tensors
        if grad is None:
            return beside, None if ctx.alone else beside, None, None
        if ops.fits(total):
            x_grad, weight_grad = ops.norm_back(grad, beside, total, weight, scale)
        else:
            normed = (total * scale).to(total.dtype)
            product = (grad * normed).to(weight.dtype)
            along = (product @ weight).unsqueeze(-1)  # what it would change of the length, which does not count
            x_grad = (grad * weight).addcmul_(normed, along, value=-1 / weight.shape[0]).mul_(scale)
            x_grad = x_grad.to(total.dtype) if beside is None else x_grad.to(total.dtype) + beside
            weight_grad = product.flatten(0, -2).sum(0)
        return x_grad, None if ctx.alone else x_grad, weight_grad, None


def squared_relu(x: Tensor) -> Tensor:
    """relu(x)^2 (So et al. 2021)."""
    y: Tensor = _SquaredReLU.apply(x)
    return y


class _SquaredReLU(torch.autograd.Function):
    """Written out for the same reason: 2 relu(x) is the whole derivative, so x is kept and no mask made."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return ops.squared_relu(x) if ops.fits(x) else x.relu().square_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return ops.squared_relu_back(grad, x) if ops.fits(x) else x.relu().mul_(grad).mul_(2)


def swiglu(joined: Tensor) -> Tensor:
    """silu(gate) * up of (..., 2C), gate and up side by side: (..., C)."""
    if ops.fits(joined):
        y: Tensor = _SwiGLU.apply(joined)
        return y
    gate, up = joined.chunk(2, -1)
    return F.silu(gate) * up


class _SwiGLU(torch.autograd.Function):
    """By the kernels only: torch has its own for both halves."""

    @staticmethod
    def forward(ctx: Any, joined: Tensor) -> Tensor:
        ctx.save_for_backward(joined)
        return ops.swiglu(joined)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return ops.swiglu_back(grad, *ctx.saved_tensors)


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


def side_by_side(x: Tensor, *projections: nn.Linear) -> Tensor:
    """What the projections make of x (..., C), joined in the last dimension. Of many vectors in one product, which has
    its matrices copied next to each other; of a few, one by one."""
    if x.numel() < WORTH_JOINING * x.shape[-1]:
        return torch.cat([project(x) for project in projections], -1)
    biases: list[Tensor] = [project.bias for project in projections if project.bias is not None]
    weights: list[Tensor] = [project.weight for project in projections]
    if biases or torch.is_autocast_enabled(x.device.type):
        return F.linear(x, torch.cat(weights), torch.cat(biases) if biases else None)
    y: Tensor = _SideBySide.apply(x, *weights)
    return y


class _SideBySide(torch.autograd.Function):
    """Joins the matrices again on the way back: keeping the copy would cost as much as the matrices themselves."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, *weights)
        return F.linear(x, torch.cat(weights))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, *weights = ctx.saved_tensors
        flat = grad.flatten(0, -2)
        weight_grad = flat.T @ x.flatten(0, -2)
        return grad @ torch.cat(weights), *weight_grad.split([len(weight) for weight in weights])


def split_heads(x: Tensor, head_size: int) -> Tensor:
    """(B, T, H * D) -> (B, H, T, D)."""
    return x.unflatten(-1, (-1, head_size)).transpose(1, 2)


def attention_mask(ids: Tensor, segments: Tensor | None, cache: KVCache | None) -> Mask:
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
