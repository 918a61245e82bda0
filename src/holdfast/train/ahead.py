"""Batches for a GPU: made one ahead while it computes, in memory from which it can copy by itself.

What batch comes at a place is a pure function of the place, so one that was made for nothing is only forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.base.records import Batch


class Batches(Protocol):
    """Where batches come from: the same one for the same index, always."""

    def batch_at(self, index: int) -> Batch: ...


def one_ahead(feed: Batches, device: torch.device) -> Batches:
    """`feed`, one batch ahead where the device is a GPU; elsewhere what makes batches would only get in the way."""
    return Ahead(feed, page_locked) if device.type == "cuda" else feed


class Ahead:
    """A feed whose next batch is made in a thread. hold: puts a batch where it is to lie."""

    def __init__(self, feed: Batches, hold: Callable[[Batch], Batch]) -> None:
        self._feed, self._hold = feed, hold
        self._thread = ThreadPoolExecutor(1, "batches")
        self._next: tuple[int, Future[Batch]] | None = None

    def batch_at(self, index: int) -> Batch:
        """The feed's batch, and the one after it is begun."""
        known = self._next
        batch = known[1].result() if known is not None and known[0] == index else self._made(index)
        self._next = index + 1, self._thread.submit(self._made, index + 1)
        return batch

    def _made(self, index: int) -> Batch:
        return self._hold(self._feed.batch_at(index))


def page_locked(batch: Batch) -> Batch:
    """A copy from which a GPU reads while the process goes on. It has to live until the step is over."""

    def locked(array: NDArray[Any]) -> NDArray[Any]:
        held: NDArray[Any] = torch.from_numpy(np.ascontiguousarray(array)).pin_memory().numpy()
        return held

    segments = None if batch.segments is None else locked(batch.segments)
    return replace(batch, inputs=locked(batch.inputs), targets=locked(batch.targets), segments=segments)
