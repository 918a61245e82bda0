"""What a row of validations leads to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.train.settings import GuardSettings
from holdfast.train.trend import Advice, End, GoBack, LowerRate, Note, Trend, follow_trend


def advised(scores: list[float], rules: GuardSettings) -> list[Advice | None]:
    trend, found = Trend(), []
    for score in scores:
        advice, trend = follow_trend(score, trend, rules)
        found.append(advice)
    return found


def test_scores_that_fall_lead_to_nothing() -> None:
    rules = GuardSettings(trend_checks=1, plateau_checks=1, patience=1)
    assert advised([5.0, 4.0, 3.0, 2.5], rules) == [None] * 4


@pytest.mark.parametrize(("policy", "kind"), [("log", Note), ("lower_lr", LowerRate), ("rollback", GoBack)])
def test_a_rising_trend_is_acted_on_after_so_many_checks_in_a_row(policy: str, kind: type) -> None:
    rules = GuardSettings.model_validate({"on_trend": policy, "trend_checks": 3})
    found = advised([1.0, 1.3, 1.3, 1.1, 1.3, 1.3, 1.3, 1.3], rules)
    assert [type(each) for each in found] == [type(None)] * 6 + [kind, type(None)]


@pytest.mark.parametrize(("policy", "kind"), [("log", Note), ("lower_lr", LowerRate)])
def test_a_plateau_is_told_once_per_so_many_checks(policy: str, kind: type) -> None:
    found = advised([1.0] * 8, GuardSettings.model_validate({"on_plateau": policy, "plateau_checks": 3}))
    assert [type(each) for each in found] == [kind if number in (3, 6) else type(None) for number in range(8)]


def test_patience_ends_a_stage() -> None:
    assert isinstance(advised([1.0, 1.1, 1.0, 1.05], GuardSettings(patience=3))[-1], End)


def test_a_score_that_is_no_number_is_a_bad_one_and_never_the_best() -> None:
    rules = GuardSettings(trend_checks=2, on_trend="rollback")
    assert isinstance(advised([1.0, math.nan, math.inf], rules)[-1], GoBack)
    assert follow_trend(math.nan, Trend(), rules)[1].best is None


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 10))
def test_the_best_is_the_lowest_and_patience_is_counted_from_it(
    scores: list[float], checks: int, patience: int
) -> None:
    rules, trend = GuardSettings(trend_checks=checks, patience=patience), Trend()
    for number, score in enumerate(scores):
        advice, trend = follow_trend(score, trend, rules)
        assert trend.best == min(scores[: number + 1])
        since = number - scores.index(min(scores[: number + 1]))
        assert isinstance(advice, End) == (since >= patience)
