"""What became of a run that ended too early: what is still good, what broke, what is lost, and how to go on.

Looks only; creates nothing, so it works on a read-only disk, and on a run of which half is gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.base.faults import ExitCode, Fault, NoValidCheckpoint
from holdfast.disk import fileops
from holdfast.disk.files import read_json
from holdfast.journal.journal import Problem, lineage, read
from holdfast.stages.inspection.checkpoints import damage
from holdfast.stages.pipeline import STAGES
from holdfast.stages.recipe import Recipe, resolve
from holdfast.stages.run import IDENTITY, JOURNAL, RECIPE, check_recipe, holder, identity
from holdfast.stages.stage import SUPERSEDED, TRAINED, read_record
from holdfast.vault.store import Vault

Record = Mapping[str, Any]
MOST_TOLD = 12  # of what broke, the latest
REASON = ".reason.json"
BROKEN = ("exception", "save_failed", "audit_failed", "over_budget", "sink_failed", "stage_failed")


def recover(run_dir: Path) -> dict[str, Any]:
    """The report. `arguments` are those of the command that goes on, None where there is nothing to go on with."""
    problems: list[Problem] = []
    journal = list(read(run_dir / JOURNAL, problems))
    broke = [*_broken_files(run_dir, problems), *filter(None, map(_broken, journal))]
    broke = sorted(broke, key=lambda each: each["time"] or "")[-MOST_TOLD:]
    about, recipe = _identity(run_dir, broke), _recipe(run_dir, broke)
    names = [stage.name for stage in STAGES if recipe is None or stage.wanted(recipe)]
    line = lineage(journal)
    stages = [_stage(run_dir, name, line) for name in names]
    owner = holder(run_dir)
    current = next((stage for stage in stages if stage["status"] != "done"), None)
    if owner is None and current is not None and current["status"] == "running":
        current["status"] = "interrupted"
        last = journal[-1]["time"] if journal else None
        broke.append(_told(last, current["stage"], "ended", "its process was killed, or the power failed"))
    state = "running" if owner is not None else _state(current)
    arguments, advice = _next(run_dir, state, current, recipe)
    return {
        "run": about.get("run"),
        "folder": str(run_dir),
        "state": state,
        "stage": current["stage"] if current else None,
        "stages": stages,
        "broke": broke,
        "lost": {key: sum(stage["lost"][key] for stage in stages) for key in ("steps", "seconds")},
        "advice": advice,
        "arguments": arguments,
    }


def _identity(run_dir: Path, broke: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        return identity(run_dir)
    except Fault:
        broke.append(_told(None, None, IDENTITY, "it is not what was written there; bring it back from a backup"))
        return {}


def _recipe(run_dir: Path, broke: list[dict[str, Any]]) -> Recipe | None:
    try:
        check_recipe(run_dir)
        return resolve(run_dir / RECIPE, []).recipe
    except Fault as fault:
        broke.append(_told(None, None, RECIPE, fault.cause))
    except OSError as error:
        broke.append(_told(None, None, RECIPE, f"it can not be read: {error.strerror}"))
    return None


def _stage(run_dir: Path, name: str, line: Sequence[Record]) -> dict[str, Any]:
    """One stage: its record, its newest sound checkpoint, the damaged ones, and the steps behind the sound one."""
    folder = run_dir / name
    record = read_record(folder)
    facts = (record or {}).get("facts", {})
    found: dict[str, Any] = {
        "stage": name,
        "status": str(record["status"]) if record else "waiting",
        "cause": facts.get("cause"),
        "code": facts.get("code"),
        "step": None,
        "last_good": None,
        "damaged": [],
        "why_none": None,
        "lost": {"steps": 0, "seconds": 0.0},
    }
    if name not in TRAINED:
        return found
    vault = Vault(folder)
    found["damaged"] = [*_damaged(vault), *_quarantined(folder)]
    try:
        good = vault.newest_valid()
    except Fault as fault:
        good = None
        found["why_none"] = {"cause": fault.cause, "remedy": fault.remedy, "code": int(fault.code)}
    if good is not None:
        found["last_good"] = {"path": f"{name}/checkpoints/{good.path.name}", "step": good.step}
    steps = [each for each in line if each["kind"] == "step" and each.get("stage") == name]
    found["step"] = steps[-1]["step"] if steps else None
    behind = [each for each in steps if each["step"] > (good.step if good else 0)]
    found["lost"] = {"steps": len(behind), "seconds": sum(each["step_ms"] for each in behind) / 1000}
    return found


def _damaged(vault: Vault) -> Iterator[dict[str, str]]:
    for checkpoint in vault.everything():
        if (why := damage(checkpoint)) is not None:
            yield {"path": f"{vault.root.name}/checkpoints/{checkpoint.path.name}", "why": why}


def _quarantined(folder: Path) -> Iterator[dict[str, str]]:
    quarantine = folder / "quarantine"
    for path in fileops.entries(quarantine):
        if not path.name.endswith(REASON):
            try:
                why = str(read_json(path.with_name(path.name + REASON))["why"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                why = "not on record"
            yield {"path": f"{folder.name}/quarantine/{path.name}", "why": why}


def _broken(record: Record) -> dict[str, Any] | None:
    """What a journal's record tells of something that went wrong, or None."""
    event = record.get("event")
    if event in BROKEN:
        text = record.get("text") or record.get("cause") or record.get("what") or ""
        return _told(record["time"], record.get("stage"), str(event), str(text))
    if record["kind"] == "decision":
        text = f"step {record.get('step')}: {record.get('reason')}"
        return _told(record["time"], record.get("stage"), str(record.get("verdict")), text)
    return None


def _broken_files(run_dir: Path, problems: Sequence[Problem]) -> Iterator[dict[str, Any]]:
    for problem in problems:
        yield _told(None, None, "journal", f"{problem.file} line {problem.line}: {problem.why}")
    for path in fileops.entries(run_dir / "logs"):
        if path.name.startswith("crash-"):
            yield _told(path.stat().st_mtime, None, "crash", f"the details are in {path}")


def _told(moment: float | None, stage: str | None, what: str, text: str) -> dict[str, Any]:
    when = None if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
    return {"time": when, "stage": stage, "what": what, "text": text}


def _state(current: Record | None) -> str:
    if current is None:
        return "done"
    if current["status"] == "failed":
        return "diverged" if current["code"] == ExitCode.DIVERGED else "failed"
    return "stopped"


def _next(
    run_dir: Path, state: str, current: Record | None, recipe: Recipe | None
) -> tuple[list[str] | None, list[str]]:
    """(arguments of the command that goes on, what to do or to know before it)."""
    folder = str(run_dir) if not str(run_dir).startswith("-") else f"./{run_dir}"
    if state == "running":
        return None, ["the run is at work; nothing needs to be recovered"]
    if current is None:
        return None, ["every stage is done; nothing needs to be recovered"]
    if recipe is None:
        return None, [f"bring {RECIPE} back, or write it anew: holdfast run RECIPE --run-dir {folder}"]
    name, none = current["stage"], current["why_none"]
    if none is not None and none["code"] != NoValidCheckpoint.code:
        return None, [none["cause"], none["remedy"]]
    if none is not None:
        kept = f"the command below begins {name} anew and keeps what is there in {SUPERSEDED}/"
        return ["run", folder, "--fresh"], [f"no checkpoint of {name} is valid: bring one back from a backup, or", kept]
    if state == "diverged":
        return _slower(run_dir, folder, name, recipe), [
            "the same settings would end in the same way; the command below goes back to where all was well, slower"
        ]
    if current["code"] == ExitCode.DISK:
        return ["run", folder], ["free some disk space first"]
    return ["run", folder], []


def _slower(run_dir: Path, folder: str, stage: str, recipe: Recipe) -> list[str]:
    """Go on from the newest checkpoint that proved healthy, or else the newest, at half the learning rate."""
    vault = Vault(run_dir / stage)
    back = vault.newest("healthy") or vault.newest_valid()
    optimizer = getattr(recipe, stage).optimizer
    rates = ["learning_rate", *(["matrix_learning_rate"] if optimizer.kind == "muon" else [])]
    changes = [f"{stage}.optimizer.{rate}={getattr(optimizer, rate) / 2:g}" for rate in rates]
    return ["run", folder, *changes, "--allow-change", *(["--resume", f"{stage}@{back.step}"] if back else [])]
