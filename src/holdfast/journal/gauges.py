"""How full the machine is: its memory, its GPU's, and the disk a run writes to. Read every few seconds at most."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from holdfast.base.machine import memory

EVERY_SECONDS = 5.0


class Gauges:
    """The two numbers that change slowly, as they were at most EVERY_SECONDS ago.

    gpu: reads the part of the GPU's memory that is in use, see `gpu_memory`; None: there is no GPU.
    """

    def __init__(self, place: Path, gpu: Callable[[], float] | None = None) -> None:
        self._place, self._gpu = place, gpu
        self._read_at = -EVERY_SECONDS
        self._memory, self._disk_free = 0.0, 0

    def read(self) -> tuple[float, int]:
        """(part of the memory in use, of the machine or of its GPU, whichever is fuller; free bytes of the disk)."""
        now = time.monotonic()
        if now - self._read_at >= EVERY_SECONDS:
            self._read_at = now
            machine = memory()
            shares = [1 - machine.available / machine.total, *([] if self._gpu is None else [self._gpu()])]
            self._memory = max(shares)
            self._disk_free = shutil.disk_usage(self._place).free
        return self._memory, self._disk_free


def gpu_memory() -> float:
    """Part of the current CUDA device's memory that is in use, by this process or any other."""
    import torch  # the journal is read without it

    free, total = torch.cuda.mem_get_info()
    return 1 - free / total
