"""The checkpoints of all stages of a run, as rows for people and programs. Looks only; creates nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.base.faults import Fault
from holdfast.stages.evaluate import TRAINED
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import digests, verify


def listing(run_dir: Path) -> list[dict[str, Any]]:
    """Every committed checkpoint, in the order of the pipeline and then of the run."""
    return [_row(run_dir, stage, checkpoint) for stage, checkpoint in _all(run_dir)]


def details(run_dir: Path, stage: str | None, step: int | None) -> dict[str, Any]:
    """One checkpoint, by default the newest of the last stage, with the digests of its state.

    Raises Fault when there is no such checkpoint, Damaged when its files are not what was written.
    """
    found = [
        (name, checkpoint)
        for name, checkpoint in _all(run_dir)
        if stage in (None, name) and step in (None, checkpoint.step)
    ]
    if not found:
        wanted = " ".join(filter(None, [stage, None if step is None else f"step {step}"]))
        raise Fault(
            f"{run_dir} has no checkpoint {wanted}".rstrip(), f"see what there is: holdfast ckpt list {run_dir}"
        )
    name, checkpoint = found[-1]
    manifest = checkpoint.manifest
    return _row(run_dir, name, checkpoint) | {
        "tokens": manifest.tokens,
        "total_steps": manifest.horizon,
        "created": manifest.created,
        "digests": digests(checkpoint),
    }


def verified(run_dir: Path) -> list[dict[str, Any]]:
    """Whether every checkpoint is what was written, and what is wrong where it is not."""
    rows = []
    for _, checkpoint in _all(run_dir):
        why = verify(checkpoint)
        rows.append({"path": str(checkpoint.path.relative_to(run_dir)), "ok": why is None, "why": why})
    return rows


def _all(run_dir: Path) -> Iterator[tuple[str, Checkpoint]]:
    for stage in TRAINED:
        for checkpoint in Vault(run_dir / stage).checkpoints():
            yield stage, checkpoint


def _row(run_dir: Path, stage: str, checkpoint: Checkpoint) -> dict[str, Any]:
    why = verify(checkpoint)
    sound = why is None
    return {
        "stage": stage,
        "step": checkpoint.step,
        "path": str(checkpoint.path.relative_to(run_dir)),
        "tags": list(checkpoint.manifest.tags) if sound else [],
        "bytes": checkpoint.manifest.bytes if sound else None,
        "verified": sound,
        "healthy": sound,  # a state that is not finite is never saved, so what verifies can be trained on
    }
