"""What a run is doing, read from its folder: stage records, the lock and the journal. Creates nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from holdfast.base.faults import ExitCode
from holdfast.journal.lines import Record
from holdfast.journal.recent import recent
from holdfast.stages import run as runs
from holdfast.stages.pipeline import STAGES, reopen
from holdfast.stages.stage import read_record

RECENT = 50  # steps from which the remaining time is told


def status(run_dir: Path) -> dict[str, Any]:
    """State, stage, step, work at risk and remaining seconds of a run; stable keys, None where nothing is known."""
    resolved = reopen(run_dir)
    stages = [stage for stage in STAGES if stage.wanted(resolved.recipe)]
    records = {stage.name: read_record(run_dir / stage.name) for stage in stages}
    running = runs.holder(run_dir) is not None
    current = next((name for name, record in records.items() if not record or record["status"] != "done"), None)
    journal = recent(run_dir / runs.JOURNAL, lambda line: _tells_enough(line, current))
    steps = [record for record in journal if record["kind"] == "step" and record.get("stage") == current]
    saves = [record for record in journal if record["kind"] == "checkpoint"]
    return {
        "run": runs.identity(run_dir)["run"],
        "state": _state(running, current, records.get(current or "")),
        "stage": current,
        "step": steps[-1]["step"] if steps else None,
        "total_steps": steps[-1]["total_steps"] if steps else None,
        "work_at_risk_seconds": _at_risk(running, steps, saves),
        "last_checkpoint": f"{saves[-1]['stage']}/{saves[-1]['path']}" if saves else None,
        "eta_seconds": _remaining(steps) if running else None,
        "stages": {name: _summary(record) for name, record in records.items()},
    }


def _tells_enough(line: list[Record], stage: str | None) -> bool:
    """Whether the end of the journal reaches behind the newest checkpoint of the stage, and has its pace."""
    saves = [record for record in line if record["kind"] == "checkpoint" and stage in (None, record["stage"])]
    if stage is None or not saves:
        return bool(saves)
    steps = [record for record in line if record["kind"] == "step" and record.get("stage") == stage]
    return len(steps) >= RECENT and any(steps[0]["step"] <= save["step"] for save in saves)


def _state(running: bool, current: str | None, record: dict[str, Any] | None) -> str:
    if running:
        return "running"
    if current is None:
        return "done"
    facts = (record or {}).get("facts", {})
    if record and record["status"] == "failed":
        return "diverged" if facts.get("code") == ExitCode.DIVERGED else "failed"
    return "stopped"


def _at_risk(running: bool, steps: list[dict[str, Any]], saves: list[dict[str, Any]]) -> float | None:
    """Seconds of training that a power cut now would cost; those between the last save and the end of a dead run."""
    if not steps:
        return None
    stage = steps[-1]["stage"]
    saved = max((save["step"] for save in saves if save["stage"] == stage), default=0)
    unsaved = [step for step in steps if step["step"] > saved]
    if not unsaved:
        return 0.0
    until = time.time() if running else unsaved[-1]["time"]
    return float(max(0.0, until - unsaved[0]["time"] + unsaved[0]["step_ms"] / 1000))


def _remaining(steps: list[dict[str, Any]]) -> float | None:
    """Seconds until the current stage has made its steps, at the pace of the latest ones."""
    if not steps:
        return None
    paces = sorted(step["step_ms"] for step in steps[-RECENT:])
    return float((steps[-1]["total_steps"] - steps[-1]["step"]) * paces[len(paces) // 2] / 1000)


def _summary(record: dict[str, Any] | None) -> dict[str, Any]:
    if record is None:
        return {"status": "waiting", "wall_seconds": 0.0}
    return {"status": record["status"], "wall_seconds": record["wall_seconds"]}
