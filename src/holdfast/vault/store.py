"""The vault of one stage: a checkpoint is a transaction. Either all of it is on the disk and verified, or none is.

STAGE/checkpoints/step-00000200.i03/    MANIFEST.json  model.safetensors  optimizer.safetensors
STAGE/checkpoints/.stage/  .trash/      what is being written, what is being deleted; nothing of worth
STAGE/quarantine/                       what did not verify, with the reason beside it
STAGE/latest.json  best.json            for people and scripts; recovery never reads them
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from holdfast.base.faults import DiskFault, Fault, NoValidCheckpoint
from holdfast.base.files import fsync_directory, write_json
from holdfast.vault import disk
from holdfast.vault.checkpoint import Checkpoint, directory_name, find
from holdfast.vault.layout import SUFFIX, Plan, not_finite, plan, read_tensors
from holdfast.vault.manifest import FILE, Damaged, Manifest, encode
from holdfast.vault.retention import Candidate, Policy, to_delete
from holdfast.vault.verify import PARTS, broken_file, verify

__all__ = ["Checkpoint", "Vault"]

Tensors = Mapping[str, Mapping[str, Tensor]]


class Vault:
    """The checkpoints of one stage, in `root` (the stage's directory, RUN/pretrain).

    incarnation: number of this start of the run; its checkpoints carry it. None opens the vault for reading only:
                 nothing is created, moved or deleted, whatever is found.
    rejected:    what `newest_valid` passed over, name -> why, for the journal and the user.

    One process at a time may write; the lock of the run directory sees to that.
    """

    def __init__(self, root: Path, incarnation: int | None = None) -> None:
        self.root = root
        self.rejected: dict[str, str] = {}
        self._incarnation = incarnation
        self._swept = False

    @property
    def _directory(self) -> Path:
        return self.root / "checkpoints"

    @property
    def _stage(self) -> Path:
        return self._directory / ".stage"

    @property
    def _trash(self) -> Path:
        return self._directory / ".trash"

    @property
    def _quarantine(self) -> Path:
        return self.root / "quarantine"

    def checkpoints(self) -> list[Checkpoint]:
        """Every committed checkpoint, valid or not, oldest first: by incarnation, then by step."""
        return find(self._directory)

    def newest_valid(self) -> Checkpoint | None:
        """The newest checkpoint whose every byte verifies, or None when the stage never had one.

        Newer ones that do not verify are noted in `rejected` and moved to quarantine (left alone when reading only).
        Raises NoValidCheckpoint when there are checkpoints and none is valid, FromTheFuture for a newer format.
        """
        rejected: list[Checkpoint] = []
        for checkpoint in reversed(self.checkpoints()):
            why = verify(checkpoint)
            if why is None:
                for bad in rejected:
                    self._set_aside(bad)
                return checkpoint
            self.rejected[checkpoint.path.name] = why
            rejected.append(checkpoint)
        if rejected:
            newest = rejected[0].path
            raise NoValidCheckpoint(
                f"{self.root} has {len(rejected)} checkpoints and none is valid; the newest, {newest.name}: "
                f"{self.rejected[newest.name]}",
                f"bring one back from a backup, or move {self._directory} away to begin this stage anew",
            )
        if self._quarantine.is_dir() and any(self._quarantine.iterdir()):
            raise NoValidCheckpoint(
                f"{self.root} has no checkpoint but damaged ones in {self._quarantine.name}",
                f"bring one back from a backup, or move {self._quarantine} away to begin this stage anew",
            )
        return None

    def load(self, checkpoint: Checkpoint, parts: Sequence[str] = PARTS) -> dict[str, dict[str, Tensor]]:
        """The tensors of the named parts, on the CPU, verified before they are handed out. Raises Damaged."""
        names = [f"{part}{SUFFIX}" for part in parts]
        if (why := broken_file(checkpoint, names)) is not None:
            raise Damaged(checkpoint.path, why)
        return {part: read_tensors(checkpoint.path / name) for part, name in zip(parts, names, strict=True)}

    def save(
        self, step: int, tensors: Tensors, fields: Mapping[str, Any], tags: Sequence[str], keep: int | None = None
    ) -> Checkpoint:
        """Commit a checkpoint and verify it; when this returns it survives a power loss.

        tensors: part -> name -> tensor, the parts `model` and `optimizer`.
        fields:  the manifest's fields, without those the vault fills in (incarnation, files, tags, created).
        tags:    why it is saved; `best` also moves the pointer to the best one.
        keep:    how many of the newest to keep; None deletes nothing.

        Saving the same state of the same step twice gives the checkpoint that is there. Raises DiskFault when the disk
        refuses, with everything committed before intact; Fault when a tensor is not finite.
        """
        plans = _plans(tensors, step)
        with disk.told_as_disk_fault(self.root):
            self._make_ready()
            name = directory_name(step, self._own_incarnation())
            existing = next((found for found in self.checkpoints() if found.path.name == name), None)
            if existing is None:
                manifest = self._manifest(step, fields, tags)
                disk.require_space(self._directory, sum(plan.bytes for plan in plans.values()))
                checkpoint = self._write(name, plans, manifest)
            else:
                checkpoint = _same_state(existing, plans)
        if (why := verify(checkpoint)) is not None:
            self._set_aside(checkpoint)
            raise DiskFault(f"{name} reads back differently: {why}", "check the disk and the memory of this machine")
        with suppress(OSError):  # committed and verified: pointers are advice, and what is too many goes next time
            self._point(checkpoint, tags)
            if keep is not None:
                self._retire(Policy(newest=keep))
        return checkpoint

    def _own_incarnation(self) -> int:
        """Never lower than what is on disk, even if the journal that counts the starts was lost."""
        if self._incarnation is None:
            raise Fault(f"{self.root} was opened for reading only", "open it with the number of this start of the run")
        return max([self._incarnation, *(checkpoint.incarnation for checkpoint in self.checkpoints())])

    def _make_ready(self) -> None:
        """Create the directories and clear away what a killed writer left."""
        if self._swept:
            return
        for place in (self._stage, self._trash):
            for leftover in place.iterdir() if place.is_dir() else ():
                disk.remove_tree(leftover)
        disk.make_directory(self._stage)
        self._swept = True

    def _manifest(self, step: int, fields: Mapping[str, Any], tags: Sequence[str]) -> Manifest:
        created = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        own = {"step": step, "incarnation": self._own_incarnation(), "tags": tuple(tags), "created": created}
        return Manifest(**{**fields, **own})

    def _write(self, name: str, plans: Mapping[str, Plan], manifest: Manifest) -> Checkpoint:
        """Everything into a directory of its own, the manifest last, then its final name."""
        encode(manifest)  # refuse what can not be described before the disk is touched
        with self._own_directory(name) as stage:
            files = {file: disk.write_file(stage / file, plan.bytes, plan.pieces()) for file, plan in plans.items()}
            content = memoryview(encode(replace(manifest, files=files)))
            disk.write_file(stage / FILE, len(content), [content])
            disk.publish_directory(stage, self._directory / name)
        return Checkpoint(self._directory / name, manifest.step, manifest.incarnation)

    @contextmanager
    def _own_directory(self, name: str) -> Iterator[Path]:
        stage = self._stage / f"{name}.{os.getpid()}"
        stage.mkdir()
        try:
            yield stage
        except BaseException:
            disk.remove_tree(stage)
            raise

    def _point(self, checkpoint: Checkpoint, tags: Sequence[str]) -> None:
        pointer = {"checkpoint": checkpoint.path.name, "step": checkpoint.step, "tags": list(tags)}
        write_json(self.root / "latest.json", pointer)
        if "best" in tags:
            write_json(self.root / "best.json", pointer | {"score": checkpoint.manifest.best})

    def _retire(self, policy: Policy) -> None:
        """Delete what no rule holds. Checkpoints that can not be described are evidence and stay."""
        there = {}
        for checkpoint in self.checkpoints():
            with suppress(Fault):
                manifest = checkpoint.manifest
                there[checkpoint] = Candidate(checkpoint.path.name, manifest.tags, manifest.best)
        names = to_delete(list(there.values()), policy)
        for checkpoint in there:
            if checkpoint.path.name in names:
                disk.discard(checkpoint.path, self._trash)

    def _set_aside(self, checkpoint: Checkpoint) -> None:
        """Move a damaged checkpoint out of the way, its reason beside it."""
        if self._incarnation is None:
            return
        name = checkpoint.path.name
        with disk.told_as_disk_fault(self._quarantine):
            disk.make_directory(self._quarantine)
            target = self._quarantine / name
            if target.exists():
                target = self._quarantine / f"{name}.{time.time_ns()}"
            reason = {"checkpoint": name, "why": self.rejected.get(name) or verify(checkpoint)}
            write_json(target.with_name(f"{target.name}.reason.json"), reason)
            os.rename(checkpoint.path, target)
            fsync_directory(self._directory)
            fsync_directory(self._quarantine)


def _plans(tensors: Tensors, step: int) -> dict[str, Plan]:
    for part, named in tensors.items():
        if (name := not_finite(named)) is not None:
            raise Fault(
                f"step {step} is not saved: {name} of the {part} is not finite",
                "go back to the last checkpoint, which is finite; lower the learning rate or look at the data",
            )
    return {f"{part}{SUFFIX}": plan(named) for part, named in tensors.items()}


def _same_state(existing: Checkpoint, plans: Mapping[str, Plan]) -> Checkpoint:
    files = {name: disk.record_of(plan.pieces()) for name, plan in plans.items()}
    if dict(existing.manifest.files) != files:
        raise Fault(
            f"{existing.path} is there already and holds another state",
            "a run that goes back to an earlier step does so in a new start, with a number of its own",
        )
    return existing
