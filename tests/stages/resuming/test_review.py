"""What a start decides about each stage, before it writes anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.base.faults import RecipeFault
from holdfast.stages.recipe import Recipe
from holdfast.stages.resuming.choice import Wish
from holdfast.stages.resuming.review import Start, review
from holdfast.stages.stage import Stage, begin, end, wanted_of
from holdfast.train.settings import TrainSettings
from holdfast.vault.store import Vault

FIRST = Recipe(seed=1)
LONGER = Recipe.model_validate({"seed": 1, "pretrain": TrainSettings(steps=9).model_dump()})
OTHER = Recipe(seed=2)


def toy(name: str, needs: Sequence[str] = ()) -> Stage:
    def identity(recipe: Recipe) -> dict[str, Any]:
        return {"seed": recipe.seed, "pretrain": {"steps": recipe.pretrain.steps}} if name == "pretrain" else {}

    return Stage(name, tuple(needs), identity, lambda run: {}, ("out.txt",), resumes=True)


STAGES = [toy("tokens"), toy("pretrain", ["tokens"]), toy("sft", ["pretrain"]), toy("evaluate", ["sft"])]


def make(run: Path, name: str, status: str, recipe: Recipe = FIRST, steps: Sequence[int] = ()) -> None:
    """A stage as an earlier start left it, made from the results "r" of the others."""
    stage = next(each for each in STAGES if each.name == name)
    folder = run / name
    folder.mkdir(parents=True)
    wanted = wanted_of(stage, recipe, dict.fromkeys(stage.needs, "r"))
    record = begin(folder, wanted)
    (folder / "out.txt").write_text("made")
    for step in steps:
        state = {part: {"x": torch.ones(2)} for part in ("model", "optimizer")}
        Vault(folder, 1).save(step, state, {"stage": name, "fingerprint": wanted.fingerprint}, ["interval"])
    end(folder, record, status, 1.0, {"fingerprint": "r"})


def deeds(run: Path, recipe: Recipe = FIRST, **wish: Any) -> Start:
    before = sorted(run.rglob("*"))
    try:
        return review(STAGES, recipe, run, Wish(**wish))
    finally:
        assert sorted(run.rglob("*")) == before, "a review writes nothing"


def decided(start: Start, run: Path, name: str, recipe: Recipe = FIRST) -> str:
    stage = next(each for each in STAGES if each.name == name)
    return start.decide(stage, run / name, wanted_of(stage, recipe, dict.fromkeys(stage.needs, "r"))).deed


def test_a_new_run_has_everything_to_do(tmp_path: Path) -> None:
    start = deeds(tmp_path)
    assert start.pending
    assert decided(start, tmp_path, "pretrain") == "anew"


def test_what_is_done_is_done_and_what_is_half_done_goes_on(tmp_path: Path) -> None:
    make(tmp_path, "tokens", "done")
    make(tmp_path, "pretrain", "stopped", steps=[3])
    start = deeds(tmp_path)
    assert start.pending
    assert decided(start, tmp_path, "tokens") == "done"
    assert decided(start, tmp_path, "pretrain") == "go on"


def test_nothing_is_pending_when_all_is_done(tmp_path: Path) -> None:
    for stage in STAGES:
        make(tmp_path, stage.name, "done", steps=[3] if stage.name in ("pretrain", "sft") else [])
    assert not deeds(tmp_path).pending
    assert deeds(tmp_path, source="sft@3").pending


@pytest.mark.parametrize("status", ["running", "stopped", "failed"])
def test_half_done_training_is_refused_forked_or_set_aside(tmp_path: Path, status: str) -> None:
    make(tmp_path, "tokens", "done")
    make(tmp_path, "pretrain", status, steps=[3])
    for recipe in (LONGER, OTHER):
        with pytest.raises(RecipeFault, match="pretrain is half done"):
            deeds(tmp_path, recipe)
    with pytest.raises(RecipeFault, match="identity"):
        deeds(tmp_path, OTHER, allow_change=True)
    assert decided(deeds(tmp_path, LONGER, allow_change=True), tmp_path, "pretrain", LONGER) == "fork"
    start = deeds(tmp_path, OTHER, fresh=True)
    assert start.aside == [(tmp_path / "pretrain", False)]
    start.make_way()
    assert not (tmp_path / "pretrain").exists()


def test_a_finished_stage_is_made_anew_unless_it_may_be_trained_on(tmp_path: Path) -> None:
    make(tmp_path, "tokens", "done")
    make(tmp_path, "pretrain", "done", steps=[3])
    assert decided(deeds(tmp_path, LONGER), tmp_path, "pretrain", LONGER) == "anew"
    assert decided(deeds(tmp_path, LONGER, allow_change=True), tmp_path, "pretrain", LONGER) == "fork"
    assert decided(deeds(tmp_path, OTHER, allow_change=True), tmp_path, "pretrain", OTHER) == "anew"
    with pytest.raises(RecipeFault, match="begun differently"):
        deeds(tmp_path, OTHER, source="pretrain@3")


def test_a_later_stage_that_is_half_done_is_protected_from_a_change_of_an_earlier_one(tmp_path: Path) -> None:
    make(tmp_path, "tokens", "done")
    make(tmp_path, "pretrain", "done", steps=[3])
    make(tmp_path, "sft", "stopped", steps=[2])
    for recipe, wish in ((LONGER, {}), (LONGER, {"allow_change": True}), (FIRST, {"source": "pretrain@3"})):
        with pytest.raises(RecipeFault, match="sft is half done"):
            deeds(tmp_path, recipe, **wish)
    assert deeds(tmp_path, LONGER, allow_change=True, fresh=True).aside == [(tmp_path / "sft", False)]


def test_an_input_that_is_made_again_unchanged_does_not_disturb_half_done_work(tmp_path: Path) -> None:
    make(tmp_path, "tokens", "done")
    make(tmp_path, "pretrain", "stopped", steps=[3])
    (tmp_path / "tokens" / "out.txt").unlink()
    start = deeds(tmp_path)
    assert decided(start, tmp_path, "pretrain") == "go on"


def test_a_record_that_is_lost_is_made_up_for_by_the_checkpoints(tmp_path: Path) -> None:
    make(tmp_path, "tokens", "done")
    make(tmp_path, "pretrain", "stopped", steps=[3])
    (tmp_path / "pretrain" / "stage.json").unlink()
    assert decided(deeds(tmp_path), tmp_path, "pretrain") == "go on"
    with pytest.raises(RecipeFault, match="not on record"):
        deeds(tmp_path, OTHER)
    (tmp_path / "pretrain" / "checkpoints" / "step-00000003.i01" / "MANIFEST.json").write_text("{}")
    with pytest.raises(RecipeFault, match="not on record"):
        deeds(tmp_path)


def test_a_record_of_an_older_version_is_taken_as_it_is(tmp_path: Path) -> None:
    make(tmp_path, "tokens", "done")
    make(tmp_path, "pretrain", "stopped", steps=[3])
    path = tmp_path / "pretrain" / "stage.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({key: plain[key] for key in plain if key not in ("settings", "inputs")}))
    assert decided(deeds(tmp_path), tmp_path, "pretrain") == "go on"
    with pytest.raises(RecipeFault, match="not on record"):
        deeds(tmp_path, OTHER)
