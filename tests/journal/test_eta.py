"""The remaining time: right early, calm, and not moved by what happens between steps."""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.journal.eta import TRUSTED, WARM_UP, Estimate, Eta

Noise = Callable[[random.Random], float]
NOISES: dict[str, Noise] = {
    "even": lambda draw: draw.uniform(0.5, 1.5),
    "one in ten is three times as long": lambda draw: 3.0 if draw.random() < 0.1 else 1.0,
    "half are three times as long": lambda draw: draw.choice((1.0, 3.0)),
}


def after(times: list[float], left: int = 1000) -> Estimate | None:
    eta = Eta()
    for seconds in [60.0] * WARM_UP + times:  # the first steps compile
        eta.observe(seconds)
    return eta.estimate(left)


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_after_twenty_noisy_steps_it_is_within_a_fifth(noise: Noise) -> None:
    expected = 1000 * statistics.fmean(noise(random.Random(seed)) for seed in range(4000))
    off = []
    for seed in range(200):
        draw = random.Random(seed)
        estimate = after([noise(draw) for _ in range(20)])
        assert estimate is not None
        assert estimate.low < estimate.seconds < estimate.high
        off.append(abs(estimate.seconds - expected) / expected)
    within = sum(error <= 0.2 for error in off) / len(off)
    assert within >= 0.85
    assert statistics.median(off) <= 0.1


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_the_interval_holds_the_truth_nearly_always(noise: Noise) -> None:
    held = 0
    for seed in range(200):
        draw = random.Random(seed)
        estimate = after([noise(draw) for _ in range(100)])
        truth = sum(noise(draw) for _ in range(1000))
        assert estimate is not None
        held += estimate.low <= truth <= estimate.high
    assert held >= 180


def test_it_is_calm_from_step_to_step() -> None:
    draw, eta = random.Random(7), Eta()
    shown = []
    for step in range(400):
        eta.observe(NOISES["even"](draw))
        if step > 50 and (estimate := eta.estimate(1000)) is not None:
            shown.append(estimate.seconds)
    jumps = [abs(later - earlier) / earlier for earlier, later in itertools.pairwise(shown)]
    assert max(jumps) < 0.02


def test_a_laptop_that_slept_does_not_move_it() -> None:
    awake, slept = after([1.0] * 60), after([1.0] * 30 + [28_800.0] + [1.0] * 29)
    assert awake is not None
    assert slept is not None
    assert slept.seconds == pytest.approx(awake.seconds, rel=0.1)


def test_a_machine_that_became_slower_is_noticed() -> None:
    estimate = after([1.0] * 500 + [2.0] * 200)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(2000, rel=0.01)


def test_nothing_is_said_before_something_is_known() -> None:
    assert after([]) is None
    assert after([1.0] * 4) is None
    assert after([float("nan"), float("inf"), 0.0, -1.0] * 5) is None
    assert after([1.0] * 5, left=0) == Estimate(0.0, 0.0, 0.0)


def run_of(seed: int) -> tuple[Eta, list[float]]:
    """Twenty steps between 1 and 3 seconds each, and the ones that follow."""
    draw, eta = random.Random(seed), Eta()
    for _ in range(WARM_UP):
        eta.observe(60.0)
    for _ in range(20):
        eta.observe(draw.uniform(1.0, 3.0))
    return eta, [draw.uniform(1.0, 3.0) for _ in range(1000)]


@given(seed=st.integers(0, 2**32), pauses=st.lists(st.floats(0.01, 3600.0), max_size=20))
def test_what_happens_between_steps_is_said_apart(seed: int, pauses: list[float]) -> None:
    plain, rest = run_of(seed)
    paused, _ = run_of(seed)
    for seconds in pauses:
        paused.pause(seconds)
    without, with_pauses = plain.estimate(len(rest)), paused.estimate(len(rest))
    assert without is not None
    assert with_pauses is not None
    assert with_pauses[:3] == without[:3], "saves and evaluations do not move it"
    assert abs(without.seconds - sum(rest)) <= 0.2 * sum(rest)
    assert with_pauses.beside == pytest.approx(len(rest) * sum(pauses) / (20 + WARM_UP))
    assert without.beside == 0


@given(seed=st.integers(0, 2**32), taken=st.integers(0, 19))
def test_a_restart_has_an_estimate_at_once(seed: int, taken: int) -> None:
    """And the very one it would have had with all the steps of both starts."""
    draw = random.Random(seed)
    before = [draw.uniform(1.0, 3.0) for _ in range(60)]
    eta = Eta(before)
    for _ in range(WARM_UP):
        eta.observe(60.0)
    after_it = [draw.uniform(1.0, 3.0) for _ in range(taken)]
    for seconds in after_it:
        eta.observe(seconds)
    assert eta.estimate(1000) == after(before + after_it)


def test_on_another_machine_the_earlier_start_is_soon_forgotten() -> None:
    eta = Eta([9.0] * 500)
    for _ in range(WARM_UP + TRUSTED):
        eta.observe(1.0)
    estimate = eta.estimate(1000)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(1000)


def test_rubbish_from_an_earlier_start_is_no_estimate() -> None:
    assert Eta([float("nan"), -1.0, 0.0, float("inf")] * 9).estimate(10) is None
