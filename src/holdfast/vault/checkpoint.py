"""One committed checkpoint on disk: where it is, what its name says, and what its manifest says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from holdfast.vault.manifest import Manifest, read

_NAME = re.compile(r"step-(\d{8,})\.i(\d{2,})")


@dataclass(frozen=True)
class Checkpoint:
    """A directory that has a checkpoint's name. Its content is looked at only when asked for."""

    path: Path
    step: int
    incarnation: int

    @cached_property
    def manifest(self) -> Manifest:
        """Raises Damaged when it can not be read, FromTheFuture when a newer version wrote it."""
        return read(self.path)


def directory_name(step: int, incarnation: int) -> str:
    """`step-00000200.i03`: the incarnation keeps a step that is done again apart from its first time."""
    return f"step-{step:08}.i{incarnation:02}"


def find(directory: Path) -> list[Checkpoint]:
    """The committed checkpoints in a directory, in the order in which the run went through them, oldest first.

    That is by incarnation, then by step: a run that was taken back to an earlier step goes on from there, and what it
    left behind is older, however far it had come. File times play no part. Creates nothing.
    """
    if not directory.is_dir():
        return []
    found = []
    for entry in directory.iterdir():
        match = _NAME.fullmatch(entry.name)
        if match and directory_name(int(match[1]), int(match[2])) == entry.name and _is_directory(entry):
            found.append(Checkpoint(entry, int(match[1]), int(match[2])))
    return sorted(found, key=lambda checkpoint: (checkpoint.incarnation, checkpoint.step))


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
