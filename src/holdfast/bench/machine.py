"""The machine as it is now: how fast its matrix products are, and whether anybody else is at work on it."""

from __future__ import annotations

import os
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
import torch

from holdfast.base.machine import cores
from holdfast.stages.run import environment

SIDE = 1536  # large enough for the full speed of a core, small enough for tens of products a second
PROBE_SECONDS = 0.7
QUIET = 10.0  # percent of the machine that others may use
PACKAGES = ("numpy", "safetensors", "tokenizers", "tiktoken", "transformers", "litgpt")


def probe(seconds: float = PROBE_SECONDS) -> float:
    """GFLOP/s of float32 matrix products on all cores this process may use: the median over some tenths of a second."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    try:
        one, other, out = (torch.ones(SIDE, SIDE) for _ in range(3))
        torch.mm(one, other, out=out)
        speeds: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or not speeds:
            started = time.perf_counter()
            torch.mm(one, other, out=out)
            speeds.append(2 * SIDE**3 / (time.perf_counter() - started) / 1e9)
        return statistics.median(speeds)
    finally:
        torch.set_num_threads(before)


def busy(seconds: float = 1.0) -> float:
    """Percent of the machine that is at work while this process waits."""
    return float(psutil.cpu_percent(interval=seconds))


def described(percent: float) -> dict[str, Any]:
    """Machine and versions for a result. percent: how busy it was before anything began."""
    return environment() | {
        "cores": cores(),
        "machine_cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "busy_percent_before": percent,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
