"""What the machine leaves this process: of memory and cores, no more than the control groups it runs in allow.

Containers and schedulers limit by control groups, of which neither psutil nor torch knows. Both versions are read:
https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/memory.html (2024). Elsewhere than on Linux, and
where nothing is limited, what counts is the machine.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

SYSTEM = Path("/")


class Memory(NamedTuple):
    """Bytes: all that this process may ever have, and what is left of it now. Files in the page cache give way."""

    total: int
    available: int


def memory(system: Path = SYSTEM) -> Memory:
    """The memory of the machine, or of the narrowest group around this process. system: where /proc and /sys are."""
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    for folder, limit_file, used_file, file_pages in _memory_groups(system):
        limit = _number(folder / limit_file)
        if limit is None or limit >= machine.total:
            continue
        used = (_number(folder / used_file) or 0) - _field(folder / "memory.stat", file_pages)
        total, available = min(total, limit), min(available, max(0, limit - used))
    return Memory(total, available)


def cores(system: Path = SYSTEM) -> int:
    """How many cores this process may keep busy at once, at least one."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([here, *(math.ceil(quota) for quota in _quotas(system))]))


def _memory_groups(system: Path) -> Iterator[tuple[Path, str, str, str]]:
    """(folder, file of its limit, file of what is used, the part of memory.stat that is reclaimable)."""
    for folder in _groups(system, ""):
        yield folder, "memory.max", "memory.current", "inactive_file"
    for folder in _groups(system, "memory"):
        yield folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"


def _quotas(system: Path) -> Iterator[float]:
    """Cores' worth of time that each group may use."""
    for folder in _groups(system, ""):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)
    for folder in _groups(system, "cpu"):
        allowed, every = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if allowed and every:
            yield allowed / every


def _groups(system: Path, controller: str) -> Iterator[Path]:
    """The folders of the groups that this process is in, from its own outwards. controller: of version 1; version 2
    has all in one, which goes by no name."""
    root = system / "sys/fs/cgroup" / controller
    for line in _text(system / "proc/self/cgroup").splitlines():
        _, names, path = [*line.split(":", 2), "", ""][:3]
        if controller in names.split(","):
            own = root / path.lstrip("/")
            own = own if own.is_dir() else root  # inside a container the path is that of the host
            yield from (folder for folder in (own, *own.parents) if folder == root or root in folder.parents)


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int | None:
    said = _text(path)
    return int(said) if said.isdecimal() else None


def _field(path: Path, name: str) -> int:
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.isdecimal():
            return int(value)
    return 0
