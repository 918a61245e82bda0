"""What must hold of a run after every interruption, looked up from outside by readers that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.disk.files import read_json
from holdfast.journal.journal import Problem, lineage, read
from holdfast.vault.checkpoint import Checkpoint
from holdfast.vault.store import Vault
from holdfast.vault.verify import digests, verify

TRAINED = ("pretrain", "sft")
KEPT = 3  # of the newest checkpoints, the recipe's default


def broken(run_dir: Path) -> Iterator[str]:
    """What does not hold: a run that can not be gone on with, or a checkpoint that was acknowledged and is not there.

    Acknowledged is what the journal calls saved. Retention may have deleted it only if it is not among the newest.
    """
    problems: list[Problem] = []
    records = list(read(run_dir / "journal", problems))
    yield from (f"the journal is damaged: {problem}" for problem in problems)
    for stage in TRAINED:
        saved = [record["path"] for record in records if record["kind"] == "checkpoint" and record["stage"] == stage]
        vault = Vault(run_dir / stage)
        there = {checkpoint.path.name: checkpoint for checkpoint in vault.everything()}
        yield from (f"{stage} {name}: {why}" for name, each in there.items() if (why := verify(each)) is not None)
        full = [name for name, each in there.items() if not each.weights_only]
        kept = _newest([*saved, *full])  # one may be on the disk that the journal was not told of any more
        yield from (f"{stage} {name} was acknowledged and is lost" for name in kept if name not in full)
        if (run_dir / stage / "quarantine").exists():
            yield f"{stage}: something was found damaged"


def _newest(names: list[str]) -> list[str]:
    """The last KEPT of the names in the order of the run: by start, then by step."""
    return sorted(set(names), key=lambda name: (int(name.split(".i")[1]), name))[-KEPT:]


def newest(run_dir: Path, stage: str) -> Checkpoint | None:
    """Where a stage would go on."""
    return Vault(run_dir / stage).newest_valid()


def result(run_dir: Path) -> dict[str, Any]:
    """All that two runs must have in common, to the last bit, whatever happened on the way."""
    return {stage: trained(run_dir, stage) for stage in TRAINED} | {
        "scores": read_json(run_dir / "evaluate" / "scores.json")
    }


def trained(run_dir: Path, stage: str) -> dict[str, Any]:
    """`result` of one stage: what it ended with, and every number that was measured on the way."""
    records = [record for record in journal(run_dir) if record.get("stage") == stage]
    return digests(_there(run_dir, stage)) | {
        "steps": [_measured(record) for record in records if record["kind"] == "step"],
        "validations": [(record["step"], record["value"]) for record in records if record["kind"] == "eval"],
        "samples": [(record["step"], record["text"]) for record in records if record["kind"] == "sample"],
    }


def _there(run_dir: Path, stage: str) -> Checkpoint:
    checkpoint = newest(run_dir, stage)
    assert checkpoint is not None
    return checkpoint


def _measured(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("step", "loss", "grad_norm", "learning_rate", "tokens"))


def journal(run_dir: Path) -> list[dict[str, Any]]:
    """The records of the run as if it had never been interrupted."""
    return lineage(read(run_dir / "journal"))


def every(run_dir: Path) -> list[dict[str, Any]]:
    """All records, those of taken-back steps too."""
    return list(read(run_dir / "journal"))


def newest_saved(run_dir: Path) -> tuple[str, int] | None:
    """Stage and step at which the run would go on."""
    found = [(stage, checkpoint.step) for stage in TRAINED if (checkpoint := newest(run_dir, stage)) is not None]
    return found[-1] if found else None


def events(run_dir: Path, name: str) -> list[dict[str, Any]]:
    """All events of one name, those of taken-back steps too."""
    return [record for record in every(run_dir) if record.get("event") == name]
