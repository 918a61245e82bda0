"""Doing the work of a stage, or taking what another run has made of the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from holdfast.base.faults import NotReady
from holdfast.disk.places import cache_folder
from holdfast.stages.cache import Cache
from holdfast.stages.resuming.changes import words
from holdfast.stages.run import Run
from holdfast.stages.stage import Stage, Wanted

WORTHWHILE_SECONDS = 5.0  # what took less is made again sooner than it is found
MOST_TOLD = 4  # differences that people want to read


def made(run: Run, stage: Stage, wanted: Wanted) -> Mapping[str, Any]:
    """The facts of a stage whose folder holds its outputs afterwards.

    Raises NotReady where the recipe requires that they are kept already and they are not; what the work raises.
    """
    policy = run.recipe.tokens.cache
    if not stage.shared or policy == "off":
        return stage.work(run)
    cache = Cache(cache_folder())
    if policy != "rebuild" and (facts := _taken(run, stage, wanted, cache)) is not None:
        return facts
    differences = cache.differences(stage.name, wanted)
    if policy == "require":
        why = words(differences[:MOST_TOLD]) or f"nothing is kept in {cache.folder / stage.name}"
        raise NotReady(
            f"tokens.cache is `require`, and the {stage.name} of this recipe is not there: {why}",
            "set tokens.cache=auto to have it made, or give the settings it was made with",
        )
    if 0 < len(differences) <= MOST_TOLD:
        run.say(f"{stage.name}: made anew, as what is kept differs: {words(differences)}")
    started = time.monotonic()
    facts = stage.work(run)
    if policy == "rebuild" or time.monotonic() - started >= WORTHWHILE_SECONDS:
        _keep(run, stage, wanted, cache, facts)
    return facts


def _taken(run: Run, stage: Stage, wanted: Wanted, cache: Cache) -> Mapping[str, Any] | None:
    try:
        facts = cache.take(stage.name, wanted, run.dir / stage.name)
    except OSError as error:  # somebody else threw it away meanwhile
        run.say(f"{stage.name}: the cache can not be read ({error.strerror})")
        return None
    if facts is not None:
        run.say(f"{stage.name}: taken from the cache, where an earlier run left it", cached=wanted.fingerprint)
    return facts


def _keep(run: Run, stage: Stage, wanted: Wanted, cache: Cache, facts: Mapping[str, Any]) -> None:
    try:
        cache.keep(stage.name, wanted, run.dir / stage.name, facts)
        cache.prune(run.recipe.tokens.cache_gb * 1e9)
    except OSError as error:
        run.say(f"{stage.name}: not kept for other runs ({error.strerror}: {cache.folder})")
