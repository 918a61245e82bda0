"""The allocator of a training process: memory that a step gave back is there for the next one.

By default glibc asks the system for each large block and gives it back at once (mallopt(3)). A step of training makes
and frees hundreds of them, and the system hands out every page of each anew, filled with zeros: up to a fifth of the
time. Told to keep them, the process holds about what its largest step needs, all the time.
"""

from __future__ import annotations

import ctypes
import os

VARIABLE = "HOLDFAST_HEAP"  # "system" leaves the allocator as it is
# Parameters of mallopt(3): from where on a block is a mapping of its own; how much may be free at the end of the heap
# before it is given back; how much more than needed is asked for at a time.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
NEVER = 2**31 - 1
TOP_PAD = 64 * 2**20


def keep_freed_memory() -> bool:
    """Have the allocator of this process keep what is freed. Returns whether it could be told, which is so with glibc;
    HOLDFAST_HEAP=system and variables of the allocator's own (MALLOC_..., GLIBC_TUNABLES) go before."""
    own = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if own or os.environ.get(VARIABLE) == "system":
        return False
    if (library := _glibc()) is None:
        return False
    wanted = ((M_MMAP_THRESHOLD, NEVER), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, TOP_PAD))
    return all([library.mallopt(parameter, value) == 1 for parameter, value in wanted])


def give_back() -> None:
    """Give back what is free now, once: after something large that will not be needed again."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
