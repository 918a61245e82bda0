"""A program watched until its end, by those benchmarks of this folder that count memory in ways of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence


def watched(command: Sequence[str], memory: Callable[[int], int]) -> tuple[float, int]:
    """(seconds, most bytes) of a program that has to end well. memory: process id -> bytes, asked now and then."""
    started = time.perf_counter()
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - started, peak
