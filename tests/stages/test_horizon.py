"""How long a stage is, and that it never changes once it was settled."""

from dataclasses import asdict
from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.stages.horizon import FEWEST_STEPS, Horizon, Means, budget_steps, fixed_steps, settle, stored
from holdfast.train.settings import TrainSettings

FIRST = Means(precision="fp32", micro_batch_rows=4, recompute="all", compiled="default")
OTHER = Means(precision="bf16")


def test_the_first_answer_is_kept_whatever_the_clock_says_later(tmp_path: Path) -> None:
    first = settle(tmp_path, "f", lambda: FIRST, lambda means: (120, f"measured in {means.precision}"))
    again = settle(tmp_path, "f", lambda: OTHER, lambda means: (999, "a faster machine"))
    assert first == again
    assert (again.total_steps, again.origin) == (120, "measured in fp32")
    assert again == Horizon(total_steps=120, origin=again.origin, **asdict(FIRST))


def test_other_settings_have_their_own_length_and_the_same_means(tmp_path: Path) -> None:
    settle(tmp_path, "f", lambda: FIRST, lambda means: (120, "first"))
    other = settle(tmp_path, "g", lambda: OTHER, lambda means: (150, f"then, in {means.precision}"))
    assert other == Horizon(total_steps=150, origin="then, in fp32", **asdict(FIRST))
    assert settle(tmp_path, "g", lambda: OTHER, lambda means: (999, "later")) == other
    assert stored(tmp_path) == (other, "g")


def test_one_that_was_stored_without_its_settings_is_kept(tmp_path: Path) -> None:
    (tmp_path / "horizon.json").write_text('{"total_steps": 7, "precision": "fp32", "origin": "an older version"}')
    known = settle(tmp_path, "f", lambda: OTHER, lambda means: (999, "now"))
    assert (known.total_steps, known.compiled, known.recompute, known.micro_batch_rows) == (7, None, "none", None)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [({"steps": 7}, 7), ({"tokens": "10k"}, 10), ({"epochs": 2.5}, 25)],
)
def test_steps_from_the_recipe(settings: dict[str, object], steps: int) -> None:
    found = fixed_steps(TrainSettings.model_validate({"batch_tokens": 1024, **settings}), 80, 128)
    assert found is not None
    assert found[0] == steps


def test_a_budget_fills_its_share_and_leaves_the_rest() -> None:
    steps, origin = budget_steps("pretrain", budget=1000.0, spent=200.0, step_seconds=0.5)
    assert 0.7 * 800 < steps * 0.5 < 0.8 * 800
    assert "500 ms" in origin


def test_a_budget_that_is_used_up_still_trains_a_little() -> None:
    assert budget_steps("sft", budget=10.0, spent=20.0, step_seconds=1.0)[0] == FEWEST_STEPS


def test_no_length_at_all_is_a_fault_with_both_ways_out() -> None:
    with pytest.raises(RecipeFault) as caught:
        budget_steps("pretrain", None, 0.0, 0.1)
    assert "pretrain.steps" in caught.value.remedy
    assert "budget=" in caught.value.remedy
