"""Running out of memory: how it is recognised on each device, and how to try the same again with less."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from holdfast.base.faults import Fault
from holdfast.base.machine import memory

ROOM = 0.98  # of the memory that is free, that a plan may count on
SIGNS = ("can't allocate memory", "out of memory", "bad_alloc", "not enough memory")

Found = TypeVar("Found")


class OutOfMemory(Exception):
    """A step did not fit on at least one of the ranks; nothing but its gradients was touched."""


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` is how Python or torch says that memory has run out, on a CPU or a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def free_memory(device: torch.device) -> int:
    """Bytes that this process can still get there."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return memory().available


def release() -> None:
    """Give back what nobody holds any more. To be called when the failed attempt's frames are gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def room_for(what: str) -> Iterator[None]:
    """A block that needs memory for `what` and can not do with less. Raises Fault when it runs out."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise Fault(
            f"{what} does not fit into memory", "close other programs, or choose a smaller model.size"
        ) from error


def with_less(what: str, rows: int, attempt: Callable[[int], Found], tell: Callable[[int], None]) -> Found:
    """What `attempt` gives for the largest number of rows at once, from `rows` on halved, for which memory suffices.

    tell: called with each smaller number before it is tried. Raises Fault when a single row does not fit.
    """
    while True:
        try:
            return attempt(rows)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        release()
        if rows == 1:
            raise Fault(
                f"{what} does not fit into memory, not even one row at a time",
                "close other programs, or choose a smaller model.size or model.context_length",
            )
        rows //= 2
        tell(rows)
