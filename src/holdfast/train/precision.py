"""Which number format the matrix products run in, chosen by measuring rather than by believing the label."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext

import torch

from holdfast.base.faults import RecipeFault
from holdfast.train import fp8
from holdfast.train.fp8 import Fp8Settings

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PROBE_SIZE = 768
PROBE_PRODUCTS = 8
SMALL_PROBE = 16
WORTHWHILE = 1.5  # bf16 must beat fp32 by this factor to be worth its rounding


def resolve(
    asked: str, device: torch.device, fallback: str | None = None, eight_bits: Fp8Settings | None = None
) -> str:
    """The format to train in: `auto` is bf16 where that is measurably faster, and fp32 elsewhere.

    fallback: what to train in where the device can not do what was asked for; None: refuse. Raises RecipeFault.
    """
    if asked == "auto":
        return _fastest(device)
    if (why := shortfall(asked, device, eight_bits)) is None:
        return asked
    if fallback is None:
        raise RecipeFault(
            f"precision {asked} can not be had: {why}", "use precision=auto, or name another: precision_fallback=bf16"
        )
    if (also := shortfall(fallback, device)) is not None:
        raise RecipeFault(
            f"neither precision {asked} nor its fallback can be had: {why}; {also}", "use precision_fallback=fp32"
        )
    return fallback


def shortfall(asked: str, device: torch.device, eight_bits: Fp8Settings | None = None) -> str | None:
    """Why the device can not train in the format, in one line, found by trying; None where it can."""
    if asked == "fp8":
        capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
        return fp8.shortfall(eight_bits or Fp8Settings(), device.type, capability)
    if asked == "auto":
        return None
    try:
        product = _small_product(asked, device)
    except RuntimeError as error:
        return f"{device.type} makes no products in {asked}: {str(error).partition(chr(10))[0]}"
    if product.dtype != FORMATS[asked]:
        return f"products on {device.type} that should be made in {asked} are made in {product.dtype}"
    if not bool((product == SMALL_PROBE).all()):
        return f"products in {asked} on {device.type} come out wrong"
    return None


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which forward passes run. Weights, gradients and optimizer state stay fp32 in every case."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, FORMATS[precision])


def _fastest(device: torch.device) -> str:
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu":
        return "fp32"
    seconds = {dtype: _product_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return "bf16" if seconds[torch.float32] > WORTHWHILE * seconds[torch.bfloat16] else "fp32"


def _small_product(precision: str, device: torch.device) -> torch.Tensor:
    left = torch.ones(SMALL_PROBE, SMALL_PROBE, device=device)
    with autocast(precision, device):
        return left @ left


def _product_seconds(dtype: torch.dtype) -> float:
    left = torch.ones(PROBE_SIZE, PROBE_SIZE, dtype=dtype)
    best = float("inf")
    for _ in range(PROBE_PRODUCTS):
        start = time.perf_counter()
        torch.mm(left, left)
        best = min(best, time.perf_counter() - start)
    return best
