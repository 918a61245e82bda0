"""The line of one stage through the journal: which steps were made, under which settings, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.stages.recipe import Recipe
from holdfast.vault.store import Checkpoint

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Steps that were made under the same settings. last: the step it ends with. horizon: what its schedule follows."""

    recipe: Recipe
    last: int
    horizon: int


@dataclass(frozen=True, slots=True)
class Line:
    """What the journal knows of a stage on its way to the checkpoint `end`.

    known:     the step before which it is not known what was done; 0: all is.
    stretches: oldest first. steps: step -> record. skipped: batches that were left out.
    """

    end: Checkpoint
    known: int
    stretches: Sequence[Stretch]
    steps: Mapping[int, Record]
    skipped: int


def line_of(records: Sequence[Record], end: Checkpoint, recipe: Recipe) -> Line:
    """The line to `end`. records: the surviving ones of the stage; recipe: that of its last step."""
    steps = {each["step"]: each for each in records if each["kind"] == "step" and each["step"] <= end.step}
    skipped = sum(each["kind"] == "decision" and each["verdict"] == "skip" for each in records)
    forks = {each["step"]: each for each in records if each.get("event") == "fork" and each["step"] < end.step}
    stretches: list[Stretch] = []
    last, here = end.step, recipe
    for step, fork in sorted(forks.items(), reverse=True):
        stretches.insert(0, Stretch(here, last, _horizon(steps, step, last, end)))
        before = _before(here, fork["changes"])
        if before is None:
            return Line(end, step, stretches, steps, skipped)
        last, here = step, before
    stretches.insert(0, Stretch(here, last, _horizon(steps, 0, last, end)))
    return Line(end, 0, stretches, steps, skipped)


def _horizon(steps: Mapping[int, Record], first: int, last: int, end: Checkpoint) -> int:
    """As a step of the stretch says; all of them say the same."""
    known = (int(steps[step]["total_steps"]) for step in range(first + 1, last + 1) if step in steps)
    return next(known, end.manifest.horizon)


def _before(recipe: Recipe, changes: Sequence[Record]) -> Recipe | None:
    """The recipe before a fork, or None when what it was is not on record."""
    plain = recipe.model_dump(mode="json")
    for change in changes:
        *groups, name = change["setting"].split(".")
        here: Any = plain
        for group in groups:
            here = here.get(group) if isinstance(here, dict) else None
        if not isinstance(here, dict) or name not in here:
            return None
        if change["setting"] != "budget":  # the steps that it came to are in the journal
            here[name] = change["old"]
    return Recipe.model_validate(plain)
