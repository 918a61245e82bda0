"""Which number format the matrix products run in, chosen by measuring rather than by believing the label."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import torch

PROBE_SIZE = 768
PROBE_PRODUCTS = 8
WORTHWHILE = 1.5  # bf16 must beat fp32 by this factor to be worth its rounding


def resolve(precision: str, device: torch.device) -> str:
    """`auto` becomes bf16 where bf16 products are measurably faster on this device, fp32 elsewhere."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    if device.type != "cpu":
        return "fp32"
    seconds = {dtype: _product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return "bf16" if seconds[torch.float32] > WORTHWHILE * seconds[torch.bfloat16] else "fp32"


def _product_seconds(dtype: torch.dtype) -> float:
    left = torch.ones(PROBE_SIZE, PROBE_SIZE, dtype=dtype)
    best = float("inf")
    for _ in range(PROBE_PRODUCTS):
        start = time.perf_counter()
        torch.mm(left, left)
        best = min(best, time.perf_counter() - start)
    return best


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which forward passes run. Weights, gradients and optimizer state stay fp32 in either case."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
