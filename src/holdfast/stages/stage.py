"""What a stage is: settings it depends on, stages it needs, and a folder whose `stage.json` says how it ended.

State is read from these records, never from messages. A stage is done when its record says so, its fingerprint is the
one wanted now and its outputs are there. A stage whose settings or inputs changed is set aside, not deleted: changing
the recipe back brings the old work back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.disk import fileops, parts
from holdfast.disk.files import fingerprint

if TYPE_CHECKING:
    from holdfast.stages.recipe import Recipe
    from holdfast.stages.run import Run

RECORD = "stage.json"
SUPERSEDED = "superseded"
TRAINED = ("pretrain", "sft")  # the stages that have checkpoints
FORMAT = 1  # raise when a stage's outputs change their meaning, so that old ones are made again


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline.

    identity: the settings, and nothing else, that this stage's outputs depend on besides its inputs.
    work:     makes the outputs in `run.dir / name`; returns facts for its record, `fingerprint` among them.
    wanted:   False when the recipe leaves the stage out.
    resumes:  True when a half-done folder is continued; False when it is made anew.
    shared:   True when the outputs depend on settings and inputs alone, so that another run may have them too.
    """

    name: str
    needs: tuple[str, ...]
    identity: Callable[[Recipe], Mapping[str, Any]]
    work: Callable[[Run], Mapping[str, Any]]
    outputs: tuple[str, ...]
    wanted: Callable[[Recipe], bool] = lambda recipe: True
    resumes: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stage is to be made with: its settings, as plain JSON, and the fingerprints of what it is made from.

    Inputs count by their content, so a stage that is made again with the same result does not disturb later ones.
    """

    settings: Mapping[str, Any]
    inputs: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """What the stage's record must carry to count."""
        return fingerprint({"format": FORMAT, "settings": self.settings, "inputs": self.inputs})


def wanted_of(stage: Stage, recipe: Recipe, results: Mapping[str, str]) -> Wanted:
    """What `recipe` wants of a stage. results: stage -> fingerprint, of those that are done."""
    settings = json.loads(json.dumps(dict(stage.identity(recipe)), allow_nan=False))
    return Wanted(settings, {need: results[need] for need in stage.needs if need in results})


def read_record(folder: Path) -> dict[str, Any] | None:
    """The stage's record, or None where there is none that can be read."""
    try:
        record = parts.unseal(folder / RECORD, bare=True)
    except (OSError, ValueError, RecursionError):
        return None
    return record if {"fingerprint", "status"} <= record.keys() else None


def is_done(stage: Stage, folder: Path, wanted: str) -> bool:
    """True when the record says done, for these settings and inputs, and the outputs are in place."""
    record = read_record(folder)
    return is_finished(stage, folder, record) and record is not None and record["fingerprint"] == wanted


def is_finished(stage: Stage, folder: Path, record: Mapping[str, Any] | None) -> bool:
    """True when the record says done, for whatever settings, and the outputs are in place."""
    if record is None or record["status"] != "done":
        return False
    return all((folder / name).exists() for name in stage.outputs)


def make_room(stage: Stage, folder: Path, wanted: str) -> str | None:
    """Prepare `folder` for work under the fingerprint `wanted`: set aside what belongs to other settings, bring back
    what was set aside for these. Returns a line worth telling, or None."""
    record = read_record(folder)
    if record is not None and record["fingerprint"] == wanted:
        return None
    told = None
    if (kept := set_aside(folder)) is not None:
        told = f"{stage.name}: the earlier result is kept in {SUPERSEDED}/{kept.name}"
    earlier = folder.parent / SUPERSEDED / f"{stage.name}-{wanted[:8]}"
    if earlier.exists():
        _move(earlier, folder)
        told = f"{stage.name}: these settings were used before, their result is back from {SUPERSEDED}/"
    return told


def set_aside(folder: Path, *, for_good: bool = False) -> Path | None:
    """Move what a stage has made so far into superseded/, under its fingerprint; returns where it is now, if there was
    anything. for_good: under a name from which `make_room` does not bring it back."""
    if not folder.exists() or not any(folder.iterdir()):
        return None
    record = read_record(folder)
    mark = "unfinished" if record is None or for_good else record["fingerprint"][:8]
    aside = folder.parent / SUPERSEDED
    kept = aside / f"{folder.name}-{mark}"
    fileops.make_directory(aside)
    if mark == "unfinished" or kept.exists():
        kept = aside / f"{folder.name}-{mark}-{time.time_ns()}"
    _move(folder, kept)
    return kept


def _move(folder: Path, target: Path) -> None:
    fileops.rename(folder, target)
    fileops.sync_directory(target.parent)
    fileops.sync_directory(folder.parent)


def begin(folder: Path, wanted: Wanted) -> dict[str, Any]:
    """Write down that the stage is under way, and with what, keeping the seconds that earlier starts put into it.

    A record of other settings is of work that goes on under these: they are kept as `forks`, the oldest first.
    """
    earlier = read_record(folder) or {}
    forks = list(earlier.get("forks", []))
    if earlier.get("fingerprint", wanted.fingerprint) != wanted.fingerprint:
        forks.append({name: earlier[name] for name in ("fingerprint", "settings", "inputs") if name in earlier})
    record = {
        "fingerprint": wanted.fingerprint,
        "status": "running",
        "wall_seconds": earlier.get("wall_seconds", 0.0),
        "starts": earlier.get("starts", 0) + 1,
        "settings": wanted.settings,
        "inputs": wanted.inputs,
        **({"forks": forks} if forks else {}),
    }
    parts.seal(folder / RECORD, record)
    return record


def end(folder: Path, record: dict[str, Any], status: str, seconds: float, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write down how the stage ended; written last, so that `done` implies everything else is on disk."""
    ended = record | {"status": status, "wall_seconds": record["wall_seconds"] + seconds, "facts": dict(facts)}
    parts.seal(folder / RECORD, ended)
    return ended
