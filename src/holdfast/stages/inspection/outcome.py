"""What became of a run that things went wrong in: what was decided, whether it is sound, and what it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from holdfast.disk.files import read_json
from holdfast.journal.journal import read
from holdfast.stages.evaluate import SCORES
from holdfast.stages.run import JOURNAL
from holdfast.stages.stage import TRAINED
from holdfast.vault.store import Vault

TOLD = ("save_failed", "exception", "audit_failed")  # events that people should know of, besides alarms


def led_to(run_dir: Path) -> Counter[str]:
    """What was decided and told, and how often: verdicts, alarms and failures, those of taken-back steps too."""
    found: Counter[str] = Counter()
    for record in read(run_dir / JOURNAL):
        if record["kind"] == "decision":
            found[str(record["verdict"])] += 1
        elif record.get("event") == "alarm" and not record["over"]:
            found[f"alarm: {record['alarm']}".replace("_", " ")] += 1
        elif record.get("event") in TOLD:
            found[str(record["event"]).replace("_", " ")] += 1
    return found


def is_finite(run_dir: Path) -> bool:
    """Whether every number of every stage's newest checkpoint is one: weights and optimizer. Raises Damaged."""
    vaults = [Vault(run_dir / stage) for stage in TRAINED]
    newest = [(vault, found) for vault in vaults if (found := vault.newest_valid()) is not None]
    return all(
        bool(torch.isfinite(tensor).all())
        for vault, checkpoint in newest
        for named in vault.load(checkpoint).values()
        for tensor in named.values()
    )


def validations(run_dir: Path) -> Mapping[str, float]:
    """stage -> bits per byte on held-out text, as the evaluation at the end of the run measured it."""
    scores: list[Mapping[str, Any]] = read_json(run_dir / "evaluate" / SCORES)
    return {str(score["stage"]): float(score["value"]) for score in scores if score["metric"] == "bits_per_byte"}


def slowest_step(run_dir: Path) -> float:
    """Seconds of the longest step that the journal knows."""
    return max((each["step_ms"] for each in read(run_dir / JOURNAL) if each["kind"] == "step"), default=0.0) / 1000
