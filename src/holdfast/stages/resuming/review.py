"""What a start of a run will do with each stage, found out before anything is written: go on, begin anew, or refuse.

A stage that is half done is never begun anew unless that is asked for, and never goes on under other settings unless
that makes sense and is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from holdfast.base.faults import Fault, RecipeFault
from holdfast.disk import fileops
from holdfast.stages.recipe import Recipe, resolve
from holdfast.stages.resuming.changes import (
    NOT_RECORDED,
    Change,
    between,
    free_between,
    only_trajectory,
    result_of,
    words,
)
from holdfast.stages.resuming.choice import Choice, Wish, choose, too_short
from holdfast.stages.run import IDENTITY, RECIPE
from holdfast.stages.stage import (
    SUPERSEDED,
    TRAINED,
    Stage,
    Wanted,
    is_done,
    is_finished,
    read_record,
    set_aside,
    wanted_of,
)
from holdfast.vault.store import Vault

Deed = Literal["done", "go on", "fork", "anew"]
Unmade = dict[str, tuple[Change, ...]]  # stage that is yet to be made -> why it will come out differently than before


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a stage. fork: its training goes on, under other settings. changes: what differs, if anything."""

    deed: Deed
    changes: tuple[Change, ...] = ()

    def line(self, stage: str) -> str | None:
        """What people should know about it, if anything."""
        if not self.changes or self.deed != "anew":
            return None
        hint = "; --allow-change would have trained it on" if only_trajectory(self.changes) else ""
        return f"{stage}: made anew: {words(self.changes)}{hint}"


@dataclass(slots=True)
class Start:
    """A start of a run that was found sound.

    choice:  the checkpoint that one stage goes on from, if one was named.
    pending: whether there is anything to do.
    aside:   folders whose work is set aside before the first stage, and whether for good.
    notes:   lines for people.
    """

    wish: Wish
    choice: Choice | None = None
    pending: bool = False
    aside: list[tuple[Path, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def decide(self, stage: Stage, folder: Path, wanted: Wanted) -> Decision:
        """What becomes of a stage whose inputs are all made. Raises RecipeFault where only people can decide."""
        return _decide(stage, folder, wanted, self, {})

    def make_way(self) -> None:
        """Set aside what was asked to be begun anew."""
        for folder, for_good in self.aside:
            if (kept := set_aside(folder, for_good=for_good)) is not None:
                self.notes.append(f"{folder.name}: begun anew as asked, its work is kept in {SUPERSEDED}/{kept.name}")


def review(stages: Sequence[Stage], recipe: Recipe, run_dir: Path, wish: Wish) -> Start:
    """Look at every stage as it is on the disk. Writes nothing.

    Raises RecipeFault, with what differs, where half-done work and the recipe do not fit together; and for a checkpoint
    that does not exist.
    """
    start = Start(wish, choose(wish, run_dir, *_training(stages, recipe, run_dir, wish)))
    if (free := _free_changes(run_dir, recipe)) is not None:
        start.notes.append(free)
    results: dict[str, str] = {}
    unmade: Unmade = {}
    for stage in stages:
        folder = run_dir / stage.name
        inputs = {need: unmade[need] for need in stage.needs if need in unmade}
        decision = _decide(stage, folder, wanted_of(stage, recipe, results), start, inputs)
        record = read_record(folder)
        if decision.deed == "done" and record is not None:
            results[stage.name] = str(record["facts"]["fingerprint"])
            continue
        start.pending = True
        unmade[stage.name] = decision.changes
        if _is_chosen(stage, start):
            known = (record or {}).get("facts", {}).get("fingerprint", "none")
            unmade[stage.name] += (result_of(stage.name, known, None),)
        half_done = has_work(folder) and not is_finished(stage, folder, record)
        if wish.fresh and half_done and decision.deed != "fork" and not _is_chosen(stage, start):
            start.aside.append((folder, not decision.changes))
    return start


def require_run(run_dir: Path, wish: Wish) -> None:
    """Refuse to begin a run that is asked to go on, before its folder is made. Raises RecipeFault and Fault."""
    if not (run_dir / IDENTITY).exists():
        choose(wish, run_dir, TRAINED, None)


def has_work(folder: Path) -> bool:
    """Whether a stage has checkpoints, sound or not: training that must not be lost by mistake."""
    return bool(Vault(folder).everything()) or bool(fileops.entries(folder / "quarantine"))


def _training(stages: Sequence[Stage], recipe: Recipe, run_dir: Path, wish: Wish) -> tuple[Sequence[str], str | None]:
    """The stages that train, and the first of them that is not done, if a checkpoint was named that may be its."""
    names = [stage.name for stage in stages if stage.name in TRAINED]
    results: dict[str, str] = {}
    open_stage = False
    for stage in stages if wish.named else ():
        folder = run_dir / stage.name
        open_stage = open_stage or not is_done(stage, folder, wanted_of(stage, recipe, results).fingerprint)
        if open_stage and stage.name in TRAINED:
            return names, stage.name
        if not open_stage:
            record = read_record(folder)
            assert record is not None, "a stage that is done has a record"
            results[stage.name] = str(record["facts"]["fingerprint"])
    return names, None


def _free_changes(run_dir: Path, recipe: Recipe) -> str | None:
    try:
        stored = resolve(run_dir / RECIPE, []).recipe
    except Fault:  # a new run, or one whose recipe this version can not read: then it is written anew
        return None
    changes = free_between(stored, recipe)
    return words(changes) if changes else None


def _is_chosen(stage: Stage, start: Start) -> bool:
    return start.choice is not None and start.choice.stage == stage.name


def _decide(stage: Stage, folder: Path, wanted: Wanted, start: Start, unmade: Unmade) -> Decision:
    """What becomes of a stage. unmade: those of its inputs that are not made yet."""
    record = read_record(folder)
    finished, work, chosen = is_finished(stage, folder, record), has_work(folder), _is_chosen(stage, start)
    if record is None and not work:
        return Decision("go on" if chosen else "anew")
    changes = _unrecorded(folder, wanted, unmade) if record is None else between(stage.name, record, wanted, unmade)
    known = {change.setting for change in changes}
    for change in (change for why in unmade.values() for change in why if change.setting not in known):
        known.add(change.setting)
        changes.append(replace(change, kind="identity"))  # whatever it is there, it changes what goes in here
    if not changes:
        return Decision("done" if finished and not chosen and not unmade else "go on")
    found = tuple(changes)
    if start.wish.allow_change and work and only_trajectory(found):
        _refuse_too_short(stage, folder, wanted, start)
        return Decision("fork", found)
    if (finished and not chosen) or not work or (start.wish.fresh and not chosen):
        return Decision("anew", found)
    raise _changed(stage.name, found)


def _unrecorded(folder: Path, wanted: Wanted, unmade: Unmade) -> list[Change]:
    """What differs for checkpoints whose stage has lost its record: they carry its fingerprint too."""
    checkpoints = Vault(folder).checkpoints()
    try:
        known = checkpoints[-1].manifest.fingerprint if checkpoints else None
    except Fault:
        known = None
    if known == wanted.fingerprint or (known is not None and unmade):
        return []
    return [Change(f"the settings of {folder.name}", NOT_RECORDED, "known", "identity")]


def _refuse_too_short(stage: Stage, folder: Path, wanted: Wanted, start: Start) -> None:
    section: Mapping[str, Any] = wanted.settings.get(stage.name) or {}
    steps, checkpoints = section.get("steps"), Vault(folder).checkpoints()
    if start.choice is not None and _is_chosen(stage, start):
        reached = start.choice.checkpoint.step
    else:
        reached = checkpoints[-1].step if checkpoints else 0
    if steps is not None and steps < reached:
        raise too_short(stage.name, reached, steps)


def _changed(stage: str, changes: Sequence[Change]) -> RecipeFault:
    fresh = f"`holdfast run` with --fresh to begin {stage} anew (what it has is kept in {SUPERSEDED}/)"
    go_on = "`holdfast run` with --allow-change to go on under the new settings, or "
    return RecipeFault(
        f"{stage} is half done and was begun differently: {words(changes)}",
        f"put back what was changed, or {go_on if only_trajectory(changes) else ''}{fresh}",
    )
