"""Folders in memory: for harnesses that lay out thousands of disks, of which only the content matters."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A temporary folder, in memory where the machine has a file system there."""
    with tempfile.TemporaryDirectory(prefix="holdfast-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        yield Path(folder)
