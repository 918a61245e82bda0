"""Schedules as functions: always between nothing and everything, in the order they promise, whatever the length."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.optim.schedule import ScheduleConfig, multiplier

fractions = st.floats(0, 1, allow_nan=False)


@st.composite
def configs(draw: st.DrawFn) -> ScheduleConfig:
    warmup = draw(fractions)
    return ScheduleConfig(
        kind=draw(st.sampled_from(["constant", "cosine", "linear", "wsd"])),
        warmup_fraction=warmup,
        decay_fraction=draw(fractions) * (1 - warmup),
        final_fraction=draw(fractions),
    )


@given(config=configs(), total=st.integers(1, 300))
def test_a_schedule_rises_then_falls_and_stays_within_its_bounds(config: ScheduleConfig, total: int) -> None:
    values = [multiplier(config, step, total) for step in range(total)]
    warmup = round(config.warmup_fraction * total)
    assert all(0 < value <= 1 for value in values[:warmup])
    assert values[:warmup] == sorted(values[:warmup])
    assert values[warmup:] == sorted(values[warmup:], reverse=True)
    assert all(min(config.final_fraction, 1) - 1e-12 <= value <= 1 for value in values[warmup:])
    if warmup:
        assert values[warmup - 1] == 1.0
    if warmup < total:
        assert values[warmup] == 1.0


@given(config=configs(), total=st.integers(1, 300), beyond=st.integers(0, 1000))
def test_a_schedule_ends_where_it_was_planned_to_and_stays_there(
    config: ScheduleConfig, total: int, beyond: int
) -> None:
    end = 1.0 if config.kind == "constant" else config.final_fraction
    assert multiplier(config, total + beyond, total) == pytest.approx(end, abs=1e-12)


@given(config=configs())
def test_a_single_step_is_taken_in_full(config: ScheduleConfig) -> None:
    assert multiplier(config, 0, 1) == 1.0


def test_shapes_are_the_known_ones() -> None:
    flat = {"warmup_fraction": 0.0, "final_fraction": 0.0}
    assert multiplier(ScheduleConfig("cosine", **flat), 25, 100) == pytest.approx(0.853553, abs=1e-6)
    assert multiplier(ScheduleConfig("linear", **flat), 25, 100) == pytest.approx(0.75)
    wsd = ScheduleConfig("wsd", decay_fraction=0.4, **flat)
    assert [multiplier(wsd, step, 10) for step in (0, 6, 7, 8, 9)] == pytest.approx([1, 1, 0.75, 0.5, 0.25])
    assert multiplier(ScheduleConfig("wsd", 0.1, 0.0, 0.0), 99, 100) == 1.0
    assert multiplier(ScheduleConfig("constant", warmup_fraction=0.5), 0, 4) == 0.5


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "step"}, "not 'step'"),
        ({"warmup_fraction": 1.1}, "warmup_fraction must be between 0 and 1"),
        ({"final_fraction": float("nan")}, "final_fraction"),
        ({"kind": "wsd", "warmup_fraction": 0.7, "decay_fraction": 0.4}, "exceed the whole"),
    ],
)
def test_settings_that_can_not_work_are_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ScheduleConfig(**values)


@pytest.mark.parametrize(("step", "total"), [(-1, 10), (0, 0)])
def test_a_step_outside_any_plan_is_refused(step: int, total: int) -> None:
    with pytest.raises(ValueError, match="is not in a plan"):
        multiplier(ScheduleConfig(), step, total)
