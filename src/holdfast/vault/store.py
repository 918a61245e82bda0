"""The vault of one stage: a checkpoint is a transaction. Either all of it is on the disk and verified, or none is.

STAGE/checkpoints/step-00000200.i03/    MANIFEST.json  model.safetensors  optimizer.safetensors
STAGE/checkpoints/.stage/  .trash/      what is being written, what is being deleted; nothing of worth
STAGE/quarantine/                       what did not verify, with the reason beside it
STAGE/marks.json                        what was found out about them later: best, healthy
STAGE/latest.json  best.json            for people and scripts; recovery never reads them
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from holdfast.base.faults import DiskFault, Fault, NoValidCheckpoint
from holdfast.disk import fileops
from holdfast.disk.files import write_json
from holdfast.vault import transaction
from holdfast.vault.checkpoint import Checkpoint, directory_name, find
from holdfast.vault.layout import SUFFIX, Plan, not_finite, plan
from holdfast.vault.manifest import FILE, Damaged, FileRecord, Manifest, encode
from holdfast.vault.marks import Marks, read_marks, tags_of, write_mark
from holdfast.vault.retention import OF_A_STATE, Candidate, Policy, Retention, lineage, retain
from holdfast.vault.verify import PARTS, read_part, verify

__all__ = ["Checkpoint", "Policy", "Vault"]

Tensors = Mapping[str, Mapping[str, Tensor]]
WEIGHTS = f"model{SUFFIX}"


class Vault:
    """The checkpoints of one stage, in `root` (the stage's directory, RUN/pretrain).

    incarnation: number of this start of the run; its checkpoints carry it. None opens the vault for reading only:
                 nothing is created, moved or deleted, whatever is found.
    rejected:    what `newest_valid` passed over, name -> why, for the journal and the user.

    One process at a time may write, in one thread at a time; the lock of the run directory sees to the first.
    """

    def __init__(self, root: Path, incarnation: int | None = None) -> None:
        self.root = root
        self.rejected: dict[str, str] = {}
        self._incarnation = incarnation
        self._ready = False

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
        """Every committed checkpoint that can be resumed from, valid or not, oldest first: by incarnation and step."""
        return [checkpoint for checkpoint in find(self._directory) if not checkpoint.weights_only]

    def everything(self) -> list[Checkpoint]:
        """`checkpoints` and those that were demoted to weights only."""
        return find(self._directory)

    @property
    def bytes(self) -> int:
        """What all committed checkpoints take up, as their manifests say."""
        return sum(candidate.bytes for candidate in self._candidates())

    def marks(self) -> Marks:
        """What was found out about checkpoints after they were committed: name -> tag -> score, if it has one."""
        return read_marks(self.root)

    def newest_valid(self) -> Checkpoint | None:
        """The newest checkpoint whose every byte verifies, or None when the stage never had one.

        Newer ones that do not verify are noted in `rejected` and moved to quarantine (left alone when reading only).
        Raises NoValidCheckpoint when there are checkpoints and none is valid, FromTheFuture for a newer format.
        """
        rejected: list[Checkpoint] = []
        for checkpoint in self._by_preference():
            why = verify(checkpoint)
            if why is None:
                for bad in rejected:
                    self._set_aside(bad)
                if self._incarnation is not None:  # the run goes on from it, so it must not go any more
                    with transaction.told_as_disk_fault(self.root):
                        self._make_ready()
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
        with transaction.told_as_disk_fault(self._quarantine):
            set_aside = fileops.entries(self._quarantine)
        if set_aside:
            raise NoValidCheckpoint(
                f"{self.root} has no checkpoint but damaged ones in {self._quarantine.name}",
                f"bring one back from a backup, or move {self._quarantine} away to begin this stage anew",
            )
        return None

    def newest(self, tag: str) -> Checkpoint | None:
        """The newest checkpoint in the line of the run that carries `tag` and verifies; for `best` the best one."""
        tagged = {each.name: each for each in lineage(self._candidates()) if tag in each.tags and not each.weights_only}
        if tag == "best":
            scored = [
                (each.score, age, each.name) for age, each in enumerate(tagged.values()) if each.score is not None
            ]
            order = [name for _, _, name in sorted(scored)]
        else:
            order = list(tagged)[::-1]
        by_name = {checkpoint.path.name: checkpoint for checkpoint in self.checkpoints()}
        return next((by_name[name] for name in order if verify(by_name[name]) is None), None)

    def load(self, checkpoint: Checkpoint, parts: Sequence[str] = PARTS) -> dict[str, dict[str, Tensor]]:
        """The tensors of the named parts, on the CPU, verified before they are handed out. Raises Damaged."""
        return {part: read_part(checkpoint, part) for part in parts}

    def save(
        self,
        step: int,
        tensors: Tensors,
        fields: Mapping[str, Any],
        tags: Sequence[str],
        policy: Policy | None = None,
    ) -> Checkpoint:
        """`commit`, then `settle`: when this returns the checkpoint survives a power loss and was read back."""
        checkpoint = self.commit(step, tensors, fields, tags)
        self.settle(checkpoint, policy)
        return checkpoint

    def commit(self, step: int, tensors: Tensors, fields: Mapping[str, Any], tags: Sequence[str]) -> Checkpoint:
        """Put a checkpoint on the disk; when this returns it survives a power loss.

        tensors: part -> name -> tensor, the parts `model` and `optimizer`.
        fields:  the manifest's fields, without those the vault fills in (incarnation, files, tags, created).
        tags:    why it is saved.

        Saving the same state of the same step twice gives the checkpoint that is there, with the new tags as marks.
        Raises DiskFault when the disk refuses, with everything committed before intact; Fault when a tensor is not
        finite.
        """
        plans = _plans(tensors, step)
        with transaction.told_as_disk_fault(self.root):
            self._make_ready()
            name = directory_name(step, self._own_incarnation())
            existing = next((found for found in self.checkpoints() if found.path.name == name), None)
            if existing is not None:
                return self._tagged_again(existing, plans, tags)
            transaction.require_space(self._directory, sum(plan.bytes for plan in plans.values()))
            write = {file: partial(_write, plan) for file, plan in plans.items()}
            return self._publish(name, self._manifest(step, fields, tags), write)

    def settle(self, checkpoint: Checkpoint, policy: Policy | None = None) -> Retention | None:
        """After a commit: read the checkpoint back, move the pointers, then let go of what `policy` no longer holds.

        Returns what retention did. Raises DiskFault when the checkpoint reads back differently: it is set aside then.
        """
        if (why := verify(checkpoint)) is not None:
            self._set_aside(checkpoint)
            raise DiskFault(
                f"{checkpoint.path.name} reads back differently: {why}", "check the disk and the memory of this machine"
            )
        with suppress(OSError):  # committed and verified: pointers are advice, and what is too many goes next time
            self._point("latest", checkpoint)
            if "best" in _candidate(checkpoint, self.marks()).tags:
                self._point("best", checkpoint)
            return None if policy is None else self.retire(policy)
        return None

    def mark(self, checkpoint: Checkpoint, tag: str, score: float | None = None) -> None:
        """Write down what was found out about a checkpoint. Raises DiskFault."""
        with transaction.told_as_disk_fault(self.root):
            self._write_mark(checkpoint.path.name, tag, score)
            if tag == "best":
                self._point("best", checkpoint)

    def adopt(self, checkpoint: Checkpoint, tags: Sequence[str], guard: Mapping[str, Any] | None = None) -> Checkpoint:
        """Go on from `checkpoint`, of this vault or of another: commit its state again as the newest of this start.

        A run that is taken back does so on the disk before its next step, so that a kill can not undo the choice. What
        was found out about the state holds for it still. guard: what its guard remembers from now on, if that differs.
        Raises Damaged when it does not verify, Fault when it is weights only, DiskFault.
        """
        if (why := verify(checkpoint)) is not None:
            raise Damaged(checkpoint.path, why)
        if checkpoint.weights_only:
            raise Fault(f"{checkpoint.path.name} holds weights only", "training can start from it, not go on from it")
        with transaction.told_as_disk_fault(self.root):
            self._make_ready()
            manifest, incarnation = checkpoint.manifest, self._own_incarnation()
            name = directory_name(checkpoint.step, incarnation)
            if self._directory / name == checkpoint.path:
                return checkpoint
            if checkpoint.path.parent == self._directory:
                for tag, score in self._found_out(checkpoint):
                    self._write_mark(name, tag, score)
            guard = manifest.guard if guard is None else guard
            own = replace(manifest, incarnation=incarnation, tags=tuple(tags), created=_now(), guard=guard)
            adopted = self._publish(name, own, self._links(checkpoint, manifest.files))
        self.settle(adopted)
        return adopted

    def retire(self, policy: Policy, *, dry: bool = False) -> Retention:
        """Delete and demote what no tier holds. Checkpoints that can not be described are evidence and stay.

        dry: only say what would be done. Raises OSError.
        """
        retention = retain(self._candidates(), policy)
        if not dry:
            self._sweep(self._trash)
            by_name = {checkpoint.path.name: checkpoint for checkpoint in self.everything()}
            for name in sorted(retention.demote):
                self._demote(by_name[name])
            for name in sorted(retention.delete | retention.demote):
                transaction.discard(by_name[name].path, self._trash)
        return retention

    def _candidates(self) -> list[Candidate]:
        marks, found = self.marks(), []
        for checkpoint in self.everything():
            with suppress(Fault):
                found.append(_candidate(checkpoint, marks))
        return found

    def _by_preference(self) -> list[Checkpoint]:
        """Newest first, those last that belong to a future which the run was taken back from."""
        bare = [Candidate(each.path.name, each.step, each.incarnation) for each in self.everything()]
        alive = {candidate.name for candidate in lineage(bare)}
        return sorted(self.checkpoints()[::-1], key=lambda checkpoint: checkpoint.path.name not in alive)

    def _own_incarnation(self) -> int:
        """Never lower than what is on disk, even if the journal that counts the starts was lost."""
        if self._incarnation is None:
            raise Fault(f"{self.root} was opened for reading only", "open it with the number of this start of the run")
        return max([self._incarnation, *(checkpoint.incarnation for checkpoint in self.everything())])

    def _make_ready(self) -> None:
        """Create the directories, clear away what a killed writer left, and push to the disk what it did not come to:
        it may have given the newest checkpoint, or a directory on the way to it, its name and not synced it."""
        if self._ready:
            return
        self._sweep(self._stage, self._trash)
        fileops.make_directory(self._stage)
        for place in (self._directory, self.root, self.root.parent):
            fileops.sync_directory(place)
        self._ready = True

    def _sweep(self, *places: Path) -> None:
        leftovers = [leftover for place in places for leftover in fileops.entries(place)]
        if leftovers:  # that they were moved here may not be on the disk yet, and what has its name must be whole
            fileops.sync_directory(self._directory)
        for leftover in leftovers:
            transaction.remove_tree(leftover)

    def _manifest(self, step: int, fields: Mapping[str, Any], tags: Sequence[str]) -> Manifest:
        own = {"step": step, "incarnation": self._own_incarnation(), "tags": tuple(tags), "created": _now()}
        return Manifest(**{**fields, **own})

    def _publish(self, name: str, manifest: Manifest, write: Mapping[str, Callable[[Path], FileRecord]]) -> Checkpoint:
        """Everything into a directory of its own, the manifest last, then its final name.

        write: file -> what puts it at a path and returns its record.
        """
        encode(manifest)  # refuse what can not be described before the disk is touched
        with self._own_directory(name) as stage:
            files = {file: put(stage / file) for file, put in write.items()}
            content = memoryview(encode(replace(manifest, files=files)))
            transaction.write_file(stage / FILE, len(content), [content])
            transaction.publish_directory(stage, self._directory / name)
        return next(found for found in self.everything() if found.path.name == name)

    @contextmanager
    def _own_directory(self, name: str) -> Iterator[Path]:
        stage = self._stage / f"{name}.{os.getpid()}"
        fileops.mkdir(stage)
        try:
            yield stage
        except BaseException:
            self._ready = False  # where the disk refused, it may have taken the name, or may not take it away
            transaction.remove_tree(stage)
            raise

    def _links(
        self, checkpoint: Checkpoint, names: Sequence[str] | Mapping[str, Any]
    ) -> dict[str, Callable[[Path], FileRecord]]:
        """What puts files of another checkpoint at a path: links within this vault, copies from elsewhere."""
        own = checkpoint.path.parent == self._directory
        files = checkpoint.manifest.files

        def put(name: str, path: Path) -> FileRecord:
            transaction.same_file(checkpoint.path / name, path, files[name].bytes, own=own)
            return files[name]

        return {name: partial(put, name) for name in names}

    def _demote(self, checkpoint: Checkpoint) -> None:
        """Commit the weights of a checkpoint by themselves; the caller deletes the whole one afterwards."""
        name = directory_name(checkpoint.step, checkpoint.incarnation, weights_only=True)
        self._make_ready()
        if not any(found.path.name == name for found in self.everything()):
            tags = tags_of(checkpoint.path.name, checkpoint.manifest.tags, self.marks())
            manifest = replace(checkpoint.manifest, tags=tags, optimizer={})
            self._publish(name, manifest, self._links(checkpoint, [WEIGHTS]))

    def _tagged_again(self, existing: Checkpoint, plans: Mapping[str, Plan], tags: Sequence[str]) -> Checkpoint:
        files = {name: transaction.record_of(plan.pieces()) for name, plan in plans.items()}
        if dict(existing.manifest.files) != files:
            raise Fault(
                f"{existing.path} is there already and holds another state",
                "a run that goes back to an earlier step does so in a new start, with a number of its own",
            )
        for tag in tags:
            if tag not in existing.manifest.tags:
                self.mark(existing, tag)
        return existing

    def _found_out(self, checkpoint: Checkpoint) -> list[tuple[str, float | None]]:
        """The tags of a checkpoint that tell of its state, not of the moment it was saved in, with their scores."""
        known = _candidate(checkpoint, self.marks())
        return [(tag, known.score if tag == "best" else None) for tag in OF_A_STATE if tag in known.tags]

    def _write_mark(self, name: str, tag: str, score: float | None) -> None:
        write_mark(self.root, name, tag, score, [name, *(each.path.name for each in self.everything())])

    def _point(self, pointer: str, checkpoint: Checkpoint) -> None:
        known = _candidate(checkpoint, self.marks())
        content = {"checkpoint": known.name, "step": known.step, "tags": list(known.tags), "score": known.score}
        write_json(self.root / f"{pointer}.json", content)

    def _set_aside(self, checkpoint: Checkpoint) -> None:
        """Move a damaged checkpoint out of the way, its reason beside it."""
        if self._incarnation is None:
            return
        name = checkpoint.path.name
        with transaction.told_as_disk_fault(self._quarantine):
            fileops.make_directory(self._quarantine)
            target = self._quarantine / name
            if target.exists():
                target = self._quarantine / f"{name}.{time.time_ns()}"
            reason = {"checkpoint": name, "why": self.rejected.get(name) or verify(checkpoint)}
            write_json(target.with_name(f"{target.name}.reason.json"), reason)
            fileops.rename(checkpoint.path, target)
            fileops.sync_directory(self._directory)
            fileops.sync_directory(self._quarantine)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _candidate(checkpoint: Checkpoint, marks: Marks) -> Candidate:
    name, manifest = checkpoint.path.name, checkpoint.manifest
    score = marks.get(name, {}).get("best")
    weights = manifest.files.get(WEIGHTS)
    return Candidate(
        name=name,
        step=checkpoint.step,
        incarnation=checkpoint.incarnation,
        tags=tags_of(name, manifest.tags, marks),
        score=manifest.best if score is None else score,
        bytes=manifest.bytes,
        weights=0 if weights is None else weights.bytes,
        weights_only=checkpoint.weights_only,
    )


def _write(plan: Plan, path: Path) -> FileRecord:
    return transaction.write_file(path, plan.bytes, plan.pieces())


def _plans(tensors: Tensors, step: int) -> dict[str, Plan]:
    for part, named in tensors.items():
        if (name := not_finite(named)) is not None:
            raise Fault(
                f"step {step} is not saved: {name} of the {part} is not finite",
                "go back to the last checkpoint, which is finite; lower the learning rate or look at the data",
            )
    return {f"{part}{SUFFIX}": plan(named) for part, named in tensors.items()}
