"""What injected faults do to the steps of one stage: nothing, outside of tests and drills."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from holdfast.base.records import Batch
from holdfast.disk.injection import Injected, strike

BROKEN_RATE = 60.0  # times the learning rate
SLOW_SECONDS = 5.0
HANG_SECONDS = 24 * 3600.0


class Sabotage:
    """Strikes where `faults` say, for this rank. Batches are counted from 1, as steps are."""

    def __init__(self, faults: Iterable[Injected] = ()) -> None:
        self._faults = tuple(faults)
        self._struck: set[Injected] = set()
        self._calls: Counter[str] = Counter()

    def batch(self, batch: Batch, number: int) -> Batch:
        """The batch, or noise of its shape."""
        if not self._is_due("spike", number):
            return batch
        noise = np.random.default_rng(number).integers(0, int(batch.inputs.max()) + 1, batch.inputs.shape)
        return replace(batch, inputs=noise, targets=np.where(batch.targets < 0, -1, noise))

    def memory(self, number: int) -> None:
        """Run out of it at the first try of a batch. Raises torch.OutOfMemoryError."""
        self._run_out("oom", number)

    def loss(self, nats: float, number: int) -> float:
        """The loss of a batch, or what is no number."""
        if self._is_due("inf", number):
            return math.inf
        return math.nan if self._is_due("nan", number) else nats

    def gradients(self, grads: list[Tensor], number: int) -> None:
        """Break one of them."""
        if grads and self._is_due("nan-grad", number):
            grads[0].view(-1)[0] = math.nan

    def rate(self, number: int) -> float:
        """Factor on the learning rate of the update with a batch."""
        return BROKEN_RATE if self._is_due("lr", number) else 1.0

    def call(self, what: str) -> None:
        """Run out of memory in the N-th evaluation, sampling or save. Raises torch.OutOfMemoryError."""
        self._calls[what] += 1
        self._run_out(f"oom-{what}", self._calls[what])

    def between(self, step: int) -> None:
        """After the update to `step`: signals to this process, a slow step, or none that ever ends."""
        strike(self._faults, step)
        for name, seconds in (("slow", SLOW_SECONDS), ("hang", HANG_SECONDS)):
            if self._once(name, step):
                time.sleep(seconds)

    def _run_out(self, name: str, at: int) -> None:
        if self._once(name, at):
            raise torch.OutOfMemoryError("injected on purpose: out of memory")

    def _once(self, name: str, at: int) -> bool:
        due = [fault for fault in self._faults if fault.name == name and fault.at == at and fault not in self._struck]
        self._struck.update(due)
        return bool(due)

    def _is_due(self, name: str, at: int) -> bool:
        """Of a batch that comes again after a resume too: it is the batch that is broken."""
        return any(fault.name == name and fault.at == at for fault in self._faults)
