"""The kernels on tensors. Which of them torch would need several passes over memory for is in kernels.c.

All tensors are fp32 on the CPU and contiguous; `fits` says whether a tensor is, and whether there are kernels.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast.native.library import Unavailable, compiled

_P, _N, _F = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_SIGNATURES = {
    "norm": [_P, _P, _P, _F, _N, _N, _P, _P, _P],
    "norm_back": [_P, _P, _P, _P, _P, _N, _N, _P, _P],
    "heads": [_P, _P, _P, _P, _P, _F, _N, _N, _N, _N, _N, _P, _P, _P, _P],
    "heads_back": [_P, _P, _P, _P, _P, _P, _P, _P, _P, _N, _N, _N, _N, _N, _P, _P, _P],
    "causal_softmax": [_P, _F, _N, _N, _N, _N],
    "causal_softmax_back": [_P, _P, _F, _N, _N, _N, _N],
    "cross_entropy": [_P, _P, _N, _N],
    "squared_relu": [_P, _N, _P],
    "squared_relu_back": [_P, _P, _N, _P],
    "swiglu": [_P, _N, _N, _P],
    "swiglu_back": [_P, _P, _N, _N, _P],
}
_library: ctypes.CDLL | None = None
_missing: str | None = None


def load(folder: Path) -> str | None:
    """From now on use the kernels, compiled into `folder` where they are not there yet. Returns why not, if so."""
    global _library, _missing
    try:
        library = compiled(folder)
    except Unavailable as reason:
        _missing = str(reason)
        return _missing
    _missing = None
    for name, arguments in _SIGNATURES.items():
        getattr(library, name).argtypes = arguments
        getattr(library, name).restype = ctypes.c_double if name == "cross_entropy" else None
    _library = library
    return None


def unload() -> None:
    """Leave all to torch again."""
    global _library, _missing
    _library = _missing = None


def missing() -> str | None:
    """Why there are no kernels, where they were asked for and one thread could use them."""
    return _missing if torch.get_num_threads() == 1 else None


def in_use() -> str:
    """By what the steps are made: "torch", or the name of the compiled file, which tells all that went into it."""
    return "torch" if _library is None or torch.get_num_threads() > 1 else Path(_library._name).stem


def fits(x: Tensor) -> bool:
    """Whether the kernels are there and can take `x`. They have one thread: where torch has more, it is left to it, and
    to a compiler what it compiles, for it does not see into them."""
    if _library is None or torch.compiler.is_compiling() or x.dtype != torch.float32 or x.device.type != "cpu":
        return False
    return x.is_contiguous() and torch.get_num_threads() == 1


def norm(x: Tensor, y: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """(x + y, or x itself without y; that normed; 1 / rms of each row)."""
    y = None if y is None else y.contiguous()
    size = x.shape[-1]
    total = x if y is None else torch.empty_like(x)
    normed, scale = torch.empty_like(x), x.new_empty(x.shape[:-1])
    _call("norm", x, y, weight, eps, scale.numel(), size, total, normed, scale)
    return total, normed, scale


def norm_back(grad: Tensor, beside: Tensor | None, x: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of x (and y) and of the weight; `beside` is the gradient of x + y itself."""
    beside = None if beside is None else beside.contiguous()
    x_grad, weight_grad = torch.empty_like(x), torch.empty_like(weight)
    _call("norm_back", grad.contiguous(), beside, x, weight, scale, scale.numel(), len(weight), x_grad, weight_grad)
    return x_grad, weight_grad


Weights = tuple[Tensor | None, Tensor | None]


def heads(
    joined: Tensor, weights: Weights, turn: tuple[Tensor, Tensor], eps: float, count: int, groups: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(B, T, (H + 2K) D) -> queries (B, H, T, D), keys and values (B, K, T, D), and what the way back needs."""
    (batch, length, _), width = joined.shape, turn[0].shape[-1]
    q = joined.new_empty(batch, count, length, width)
    k, v = (joined.new_empty(batch, groups, length, width) for _ in range(2))
    scale = joined.new_empty(batch, length, count + groups)
    _call("heads", joined, *weights, *turn, eps, batch, length, count, groups, width, q, k, v, scale)
    return q, k, v, scale


def heads_back(
    grads: Sequence[Tensor], joined: Tensor | None, weights: Weights, turn: tuple[Tensor, Tensor], scale: Tensor
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Gradients of `joined`, which is asked for where there are weights, and of these."""
    q_grad, k_grad, v_grad = (grad.contiguous() for grad in grads)
    (batch, count, length, width), groups = q_grad.shape, k_grad.shape[1]
    joined_grad = q_grad.new_empty(batch, length, (count + 2 * groups) * width)
    weight_grads = [None if weight is None else torch.empty_like(weight) for weight in weights]
    _call("heads_back", q_grad, k_grad, v_grad, joined, *weights, *turn, scale, batch, length, count, groups, width,
          joined_grad, *weight_grads)  # fmt: skip
    return joined_grad, weight_grads[0], weight_grads[1]


def causal_softmax(x: Tensor, scale: float, block: int, first: int) -> Tensor:
    """softmax(scale x) in place, x: (..., block, S), where query i of a block sees its first + i keys."""
    _call("causal_softmax", x, scale, x.numel() // x.shape[-1], x.shape[-1], block, first)
    return x


def causal_softmax_back(grad: Tensor, p: Tensor, scale: float, block: int, first: int) -> Tensor:
    """The gradient of x in place of that of the probabilities p."""
    _call("causal_softmax_back", grad, p, scale, p.numel() // p.shape[-1], p.shape[-1], block, first)
    return grad


def cross_entropy(z: Tensor, target: Tensor) -> float:
    """Nats summed over the rows of z (N, V), which becomes the gradient of the logits it was. Raises IndexError for a
    target that is no column: in C nobody else would notice."""
    if not 0 <= int(target.min()) <= int(target.max()) < z.shape[1]:
        raise IndexError(f"targets from {int(target.min())} to {int(target.max())} among {z.shape[1]} logits")
    nats: float = _call("cross_entropy", z, target, *z.shape)
    return nats


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)^2"""
    y = torch.empty_like(x)
    _call("squared_relu", x, x.numel(), y)
    return y


def squared_relu_back(grad: Tensor, x: Tensor) -> Tensor:
    """The gradient of x."""
    x_grad = torch.empty_like(x)
    _call("squared_relu_back", grad.contiguous(), x, x.numel(), x_grad)
    return x_grad


def swiglu(joined: Tensor) -> Tensor:
    """(..., 2C), gate and up side by side -> silu(gate) * up, (..., C)."""
    size = joined.shape[-1] // 2
    y = joined.new_empty(*joined.shape[:-1], size)
    _call("swiglu", joined, y.numel() // size, size, y)
    return y


def swiglu_back(grad: Tensor, joined: Tensor) -> Tensor:
    """The gradient of `joined`."""
    size = grad.shape[-1]
    joined_grad = torch.empty_like(joined)
    _call("swiglu_back", grad.contiguous(), joined, grad.numel() // size, size, joined_grad)
    return joined_grad


def _call(name: str, *arguments: Tensor | float | None) -> Any:
    values = [value.data_ptr() if isinstance(value, Tensor) else value for value in arguments]
    return getattr(_library, name)(*values)
