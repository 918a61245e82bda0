"""The interval of a share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.evals.intervals import wilson


def test_the_textbook_example() -> None:
    assert wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_holds_the_share_stays_in_range_and_narrows(counts: tuple[int, int]) -> None:
    right, n = counts
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1
    assert high > low, "even all right is not certainty"
    wider = wilson(4 * right, 4 * n)
    assert wider[1] - wider[0] < high - low


@pytest.mark.parametrize(("right", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_refuses_what_is_no_share(right: int, n: int) -> None:
    with pytest.raises(ValueError, match="not a share"):
        wilson(right, n)
