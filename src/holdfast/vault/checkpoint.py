"""One committed checkpoint on disk: where it is, what its name says, and what its manifest says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from holdfast.vault.manifest import Manifest, read

_NAME = re.compile(r"step-([0-9]{8,18})\.i([0-9]{2,9})(\.weights)?")


@dataclass(frozen=True)
class Checkpoint:
    """A directory that has a checkpoint's name. Its content is looked at only when asked for.

    weights_only: it holds the model and no optimizer, so it can be used and exported but not trained on.
    """

    path: Path
    step: int
    incarnation: int
    weights_only: bool = False

    @cached_property
    def manifest(self) -> Manifest:
        """Raises Damaged when it can not be read, FromTheFuture when a newer version wrote it."""
        return read(self.path)


def directory_name(step: int, incarnation: int, weights_only: bool = False) -> str:
    """`step-00000200.i03`, or `step-00000200.i03.weights` for one that was cut down to its model.

    The incarnation keeps a step that is done again apart from its first time.
    """
    return f"step-{step:08}.i{incarnation:02}{'.weights' if weights_only else ''}"


def find(directory: Path) -> list[Checkpoint]:
    """The committed checkpoints in a directory, in the order in which the run went through them, oldest first.

    That is by incarnation, then by step: a run that was taken back to an earlier step goes on from there, and what it
    left behind is older, however far it had come. File times play no part. Of a step that is there in full and as
    weights only, the full one comes first. Creates nothing.
    """
    if not directory.is_dir():
        return []
    found = [checkpoint for entry in directory.iterdir() if (checkpoint := _named(entry)) and _is_directory(entry)]
    return sorted(found, key=lambda one: (one.incarnation, one.step, one.weights_only))


def _named(path: Path) -> Checkpoint | None:
    """The checkpoint that a path is called after, if its name is one."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    step, incarnation, weights_only = int(match[1]), int(match[2]), match[3] is not None
    if directory_name(step, incarnation, weights_only) != path.name:  # more zeros than we write
        return None
    return Checkpoint(path, step, incarnation, weights_only)


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
