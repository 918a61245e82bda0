"""A budget becomes sizes by rules that are monotone, and sizes that were once chosen stay."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.stages import sizing
from holdfast.stages.planning.plan import make
from holdfast.stages.recipe import Resolved, dump, resolve
from holdfast.stages.sizing import Sizes, choose, sized, told

SPEED = 2e11


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "training_speed", lambda device: SPEED)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text("model: {size: auto}\ncorpus: {generator: harbour}\nsft: {enabled: false}\nbudget: 10min\n")
    return path


def test_where_the_search_was_made_the_rules_say_what_it_found() -> None:
    assert choose(300, SPEED) == Sizes(256, 4, 4, 512, 8192, 2048)
    assert choose(200, SPEED) == choose(450, SPEED) == choose(300, SPEED)


def test_more_time_and_more_speed_never_make_anything_smaller() -> None:
    budgets = [60 * 2**power for power in range(24)]
    sizes = [choose(seconds, SPEED) for seconds in budgets]
    for less, more in pairwise(sizes):
        assert all(more.settings()[name] >= value for name, value in less.settings().items())
    assert [choose(seconds / 4, SPEED * 4) for seconds in budgets] == sizes
    assert sizes[0].num_layers < sizes[-1].num_layers


@pytest.mark.parametrize("seconds", [1, 10, 300, 1e5, 1e9])
def test_what_is_chosen_fits_together(seconds: float) -> None:
    sizes = choose(seconds, SPEED)
    assert sizes.hidden_size == 64 * sizes.num_heads
    assert sizes.batch_tokens % sizes.context_length == 0


def test_little_text_gets_a_small_vocabulary() -> None:
    found = [choose(300, SPEED, size).vocab_size for size in (1_000, 2_500_000, 5_000_000, 10**9)]
    assert found == [1024, 2048, 4096, 8192]


def test_what_the_recipe_says_itself_stays(recipe_file: Path, tmp_path: Path) -> None:
    found = sized(resolve(recipe_file, ["model.num_layers=7", "tokenizer.vocab_size=8192"]), tmp_path / "run")
    assert found.recipe.model.num_layers == 7
    assert found.sources["model.num_layers"] == "command line"
    assert found.recipe.model.hidden_size == 256
    assert found.sources["model.hidden_size"].startswith("sized for 10 min at 200 GFLOP/s")
    assert "hidden_size 256" in str(told(found))
    assert "num_layers" not in str(told(found))


def test_a_named_size_is_not_touched(recipe_file: Path, tmp_path: Path) -> None:
    named = resolve(recipe_file, ["model.size=tiny"])
    assert sized(named, tmp_path / "run") is named
    assert told(named) is None


def test_a_run_keeps_what_was_chosen_at_first(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(resolved: Resolved) -> Resolved:
        found = sized(resolved, tmp_path)
        (tmp_path / "recipe.yaml").write_text(dump(found))
        return found

    first = started(resolve(recipe_file))
    monkeypatch.setattr(sizing, "training_speed", lambda device: SPEED * 1e6)
    assert started(resolve(recipe_file)) == first
    assert started(resolve(tmp_path / "recipe.yaml")) == first
    assert sized(resolve(recipe_file), tmp_path / "other") != first


def test_without_a_budget_nobody_knows(recipe_file: Path, tmp_path: Path) -> None:
    endless = resolve(recipe_file, ["budget=off", "pretrain.steps=10"])
    with pytest.raises(RecipeFault, match="how long"):
        sized(endless, tmp_path)
    plan = make(endless, tmp_path / "run", measure=False)
    assert "how long" in plan.problems[0]["what"]


def test_the_plan_says_what_was_chosen(recipe_file: Path, tmp_path: Path) -> None:
    plan = make(resolve(recipe_file), tmp_path / "run", measure=False)
    assert any(note.startswith("sized for 10 min") for note in plan.notes)
    assert plan.parameters > 5e6
