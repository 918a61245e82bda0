"""The checkpoints of a run, as rows for people and programs. Nothing here writes but `prune`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast.base.faults import Fault, RecipeFault
from holdfast.stages.pipeline import reopen
from holdfast.stages.resuming.changes import differing, flattened
from holdfast.stages.resuming.choice import checkpoint_at
from holdfast.stages.run import disk_fault, locked
from holdfast.stages.stage import TRAINED
from holdfast.stages.training import policy
from holdfast.vault.manifest import FromTheFuture
from holdfast.vault.marks import Marks, read_marks, tags_of
from holdfast.vault.retention import FEWEST, Retention
from holdfast.vault.store import WEIGHTS, Checkpoint, Vault
from holdfast.vault.verify import PARTS, digest, digests, parts, read_part, verify

HEALTHY = "healthy"


def listing(run_dir: Path) -> list[dict[str, Any]]:
    """Every committed checkpoint, in the order of the pipeline and then of the run."""
    return [_row(stage, checkpoint, Vault(run_dir / stage).marks()) for stage, checkpoint in _all(run_dir)]


def details(path: Path) -> dict[str, Any]:
    """The checkpoint in a folder, with the digests of its state; that of an optimizer it does not hold is None.

    Raises RecipeFault when there is none, Damaged when its files are not what was written.
    """
    checkpoint = _at(path)
    found = dict.fromkeys(PARTS) | digests(checkpoint)
    manifest = checkpoint.manifest
    return _row(manifest.stage, checkpoint, read_marks(checkpoint.path.parents[1])) | {
        "tokens": manifest.tokens,
        "total_steps": manifest.horizon,
        "created": manifest.created,
        "digests": found,
    }


def verified(run_dir: Path) -> list[dict[str, Any]]:
    """Whether every checkpoint is what was written, and what is wrong where it is not."""
    rows = []
    for _, checkpoint in _all(run_dir):
        why = damage(checkpoint)
        rows.append({"path": _path(checkpoint), "ok": why is None, "why": why})
    return rows


def damage(checkpoint: Checkpoint) -> str | None:
    """Why a checkpoint can not be used here, or None when it is sound. Reads all of it."""
    try:
        return verify(checkpoint)
    except FromTheFuture as future:
        return future.cause


def difference(one_path: Path, other_path: Path) -> dict[str, Any]:
    """What the checkpoints in two folders differ in: the facts in their manifests, their digests, and every tensor.

    `equal` is about the state: model and optimizer, to the bit. Raises RecipeFault and Damaged, see `details`.
    """
    one, other = _at(one_path), _at(other_path)
    states = [digests(each) for each in (one, other)]
    facts, others = (flattened({**asdict(each.manifest), "files": None}) for each in (one, other))
    return {
        "paths": [str(one.path), str(other.path)],
        "equal": states[0] == states[1],
        "fields": {change.setting: [change.old, change.new] for change in differing(facts, others, "free")},
        "digests": {part: [state.get(part) for state in states] for part in PARTS},
        "tensors": [row for part in PARTS for row in _tensors(part, one, other)],
    }


def prune(run_dir: Path, keep: int | None, *, dry: bool) -> dict[str, Any]:
    """Let go of what retention does not hold, as training would: by the recipe, or with `keep` of the newest.

    dry: only say what would go. Raises Fault when the run is in use, and when one of the newest is damaged: then an
    older one may be needed. Raises DiskFault.
    """
    recipe = reopen(run_dir).recipe
    with nullcontext() if dry else locked(run_dir):
        rows: list[dict[str, Any]] = []
        for stage in TRAINED:
            held = replace(policy(run_dir, recipe, stage), probation=0)  # nothing goes on that could prove healthy
            held = held if keep is None else replace(held, newest=max(keep, FEWEST))
            vault = Vault(run_dir / stage, None if dry else 1)
            rows += _doomed(run_dir, vault, vault.retire(held, dry=True))
            if not dry:
                try:
                    vault.retire(held)
                except OSError as error:
                    raise disk_fault(vault.root, error) from error
    return {"dry_run": dry, "freed_bytes": sum(row["freed_bytes"] for row in rows), "checkpoints": rows}


def _doomed(run_dir: Path, vault: Vault, retention: Retention) -> Iterator[dict[str, Any]]:
    """What becomes of each checkpoint. Raises Fault when not enough of what is kept is sound."""
    deeds = {name: "delete" for name in retention.delete} | {name: "demote" for name in retention.demote}
    kept = [each for each in vault.checkpoints() if each.path.name not in deeds]
    for checkpoint in kept[-FEWEST:] if deeds else []:
        if (why := damage(checkpoint)) is not None:
            raise Fault(
                f"nothing of {vault.root.name} was deleted: {checkpoint.path.name} is damaged: {why}",
                f"an older one may be needed, see holdfast recover {run_dir}",
            )
    for checkpoint in vault.everything():
        deed = deeds.get(checkpoint.path.name, "keep")
        freed = 0 if deed == "keep" else _alone(checkpoint, weights=deed == "delete")
        yield {"stage": vault.root.name, "path": _path(checkpoint), "action": deed, "freed_bytes": freed}


def _alone(checkpoint: Checkpoint, *, weights: bool) -> int:
    """Bytes of the files that no other checkpoint shares. weights: those of the model too."""
    found = [path.stat() for path in checkpoint.path.iterdir() if weights or path.name != WEIGHTS]
    return sum(status.st_size for status in found if status.st_nlink == 1)


def _at(path: Path) -> Checkpoint:
    checkpoint = checkpoint_at(path)
    if checkpoint is None:
        raise RecipeFault(f"{path} is no checkpoint", "see what there is: holdfast ckpt list RUN")
    return checkpoint


def _all(run_dir: Path) -> Iterator[tuple[str, Checkpoint]]:
    for stage in TRAINED:
        for checkpoint in Vault(run_dir / stage).everything():
            yield stage, checkpoint


def _row(stage: str, checkpoint: Checkpoint, marks: Marks) -> dict[str, Any]:
    sound = damage(checkpoint) is None
    tags = tags_of(checkpoint.path.name, checkpoint.manifest.tags, marks) if sound else ()
    return {
        "stage": stage,
        "step": checkpoint.step,
        "path": _path(checkpoint),
        "tags": list(tags),
        "bytes": checkpoint.manifest.bytes if sound else None,
        "verified": sound,
        "healthy": HEALTHY in tags,
        "weights_only": checkpoint.weights_only,
    }


def _path(checkpoint: Checkpoint) -> str:
    """As it is called inside its run."""
    return "/".join(checkpoint.path.parts[-3:])


def _tensors(part: str, one: Checkpoint, other: Checkpoint) -> Iterator[dict[str, Any]]:
    states: list[Mapping[str, Tensor]] = [read_part(each, part) if part in parts(each) else {} for each in (one, other)]
    for name in dict.fromkeys([*states[0], *states[1]]):
        pair = [state.get(name) for state in states]
        same = None not in pair and digest({name: states[0][name]}) == digest({name: states[1][name]})
        shapes = [None if tensor is None else list(tensor.shape) for tensor in pair]
        furthest = _furthest(states[0][name], states[1][name]) if None not in pair and shapes[0] == shapes[1] else None
        yield {"part": part, "name": name, "equal": same, "max_abs_difference": furthest, "shapes": shapes}


def _furthest(one: Tensor, other: Tensor) -> float:
    """Largest difference between two elements at the same place."""
    return float((one.to(torch.float64) - other.to(torch.float64)).abs().max()) if one.numel() else 0.0
