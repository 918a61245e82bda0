"""What a stage is: settings it depends on, stages it needs, and a folder whose `stage.json` says how it ended.

State is read from these records, never from messages. A stage is done when its record says so, its fingerprint is the
one wanted now and its outputs are there. A stage whose settings or inputs changed is set aside, not deleted: changing
the recipe back brings the old work back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.base.files import fingerprint, read_json, write_json

if TYPE_CHECKING:
    from holdfast.stages.recipe import Recipe
    from holdfast.stages.run import Run

RECORD = "stage.json"
SUPERSEDED = "superseded"
FORMAT = 1  # raise when a stage's outputs change their meaning, so that old ones are made again


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline.

    identity: the settings, and nothing else, that this stage's outputs depend on besides its inputs.
    work:     makes the outputs in `run.dir / name`; returns facts for its record, `fingerprint` among them.
    wanted:   False when the recipe leaves the stage out.
    resumes:  True when a half-done folder is continued; False when it is made anew.
    """

    name: str
    needs: tuple[str, ...]
    identity: Callable[[Recipe], Mapping[str, Any]]
    work: Callable[[Run], Mapping[str, Any]]
    outputs: tuple[str, ...]
    wanted: Callable[[Recipe], bool] = lambda recipe: True
    resumes: bool = False


def read_record(folder: Path) -> dict[str, Any] | None:
    """The stage's record, or None where there is none that can be read."""
    try:
        record = read_json(folder / RECORD)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "fingerprint" in record else None


def wanted_fingerprint(stage: Stage, recipe: Recipe, results: Mapping[str, str]) -> str:
    """What the stage's record must carry to count: its settings and the fingerprints of what it is made from.

    Inputs count by their content, so a stage that is made again with the same result does not disturb later ones.
    """
    inputs = {need: results[need] for need in stage.needs if need in results}
    return fingerprint({"format": FORMAT, "settings": dict(stage.identity(recipe)), "inputs": inputs})


def is_done(stage: Stage, folder: Path, wanted: str) -> bool:
    """True when the record says done, for these settings and inputs, and the outputs are in place."""
    record = read_record(folder)
    if record is None or record["status"] != "done" or record["fingerprint"] != wanted:
        return False
    return all((folder / name).exists() for name in stage.outputs)


def make_room(stage: Stage, folder: Path, wanted: str) -> str | None:
    """Prepare `folder` for work under the fingerprint `wanted`: set aside what belongs to other settings, bring back
    what was set aside for these. Returns a line worth telling, or None."""
    record = read_record(folder)
    aside = folder.parent / SUPERSEDED
    if record is not None and record["fingerprint"] == wanted:
        return None
    told = None
    if folder.exists() and any(folder.iterdir()):
        mark = record["fingerprint"][:8] if record else f"unfinished-{time.time_ns()}"
        kept = aside / f"{stage.name}-{mark}"
        aside.mkdir(exist_ok=True)
        if kept.exists():
            kept = aside / f"{stage.name}-{mark}-{time.time_ns()}"
        os.rename(folder, kept)
        told = f"{stage.name}: settings or inputs changed, the earlier result is kept in {SUPERSEDED}/{kept.name}"
    earlier = aside / f"{stage.name}-{wanted[:8]}"
    if earlier.exists():
        os.rename(earlier, folder)
        told = f"{stage.name}: these settings were used before, their result is back from {SUPERSEDED}/"
    return told


def begin(folder: Path, wanted: str) -> dict[str, Any]:
    """Write down that the stage is under way, keeping the seconds that earlier starts put into it."""
    earlier = read_record(folder) or {}
    spent = earlier.get("wall_seconds", 0.0)
    record = {"fingerprint": wanted, "status": "running", "wall_seconds": spent, "starts": earlier.get("starts", 0) + 1}
    write_json(folder / RECORD, record)
    return record


def end(folder: Path, record: dict[str, Any], status: str, seconds: float, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write down how the stage ended; written last, so that `done` implies everything else is on disk."""
    ended = record | {"status": status, "wall_seconds": record["wall_seconds"] + seconds, "facts": dict(facts)}
    write_json(folder / RECORD, ended)
    return ended
