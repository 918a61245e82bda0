"""What may pass, how long to wait, and how a wait that is asked for is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.fetch.manners import LONGEST_BACKOFF_SECONDS, asked_to_wait, backoff, may_pass


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522, 599])
def test_what_may_pass(status: int) -> None:
    assert may_pass(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 410, 416, 451, 501, 505, 600])
def test_what_will_not(status: int) -> None:
    assert not may_pass(status)


@given(st.text(max_size=40), st.integers(0, 10_000))
def test_a_wait_is_a_pure_function_in_its_bounds(url: str, tried: int) -> None:
    full = min(2.0 * 2 ** min(tried, 60), LONGEST_BACKOFF_SECONDS)
    assert full / 2 <= backoff(url, tried) == backoff(url, tried) < full


def test_those_who_fail_together_come_back_apart() -> None:
    assert len({backoff(f"https://example.org/{number}", 3) for number in range(100)}) == 100


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("99999999999999999999", 999999999999.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("7.5", None),
        ("²", None),
        ("Tue, 99 Nov 2023 22:13:50 GMT", None),
    ],
)
def test_a_wait_as_a_number_and_as_a_date(said: str, seconds: float | None) -> None:
    assert asked_to_wait({"retry-after": said}, wall=1_700_000_000) == seconds


def test_the_servers_own_clock_counts() -> None:
    headers = {"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT", "date": "Tue, 14 Nov 2023 22:13:40 GMT"}
    assert asked_to_wait(headers, wall=5.0) == 10.0


@given(st.text(max_size=60))
def test_no_header_makes_it_fall_over(said: str) -> None:
    wait = asked_to_wait({"retry-after": said}, wall=0.0)
    assert wait is None or wait >= 0
