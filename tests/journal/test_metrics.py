"""Derived numbers and the words they are shown in."""

from __future__ import annotations

import math
import mmap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.journal import metrics


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_a_smooth_value_lies_among_its_values(values: list[float]) -> None:
    smooth = metrics.Smooth(memory=10)
    assert smooth.value is None
    for value in values:
        smooth.add(value)
    assert smooth.value is not None
    assert min(values) - 1e-6 <= smooth.value <= max(values) + 1e-6


def test_smoothing_has_no_bias_towards_its_start_and_ignores_what_is_not_finite() -> None:
    smooth = metrics.Smooth()
    for value in (4.0, math.nan, 4.0, math.inf):
        smooth.add(value)
    assert smooth.value == pytest.approx(4.0)


def test_loss_in_other_units() -> None:
    assert metrics.perplexity(math.log(64)) == pytest.approx(64)
    assert metrics.perplexity(1e6) == math.inf
    assert metrics.bits_per_byte(math.log(256), bytes_per_token=1) == pytest.approx(8)


def test_memory_is_that_of_this_process() -> None:
    before = metrics.resident_bytes()
    with mmap.mmap(-1, 30_000_000) as block:  # fresh pages, which no allocator had in store
        block.write(b"x" * 30_000_000)
        assert metrics.resident_bytes() - before > 20_000_000


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (7, "7"), (0.5, "0.50"), (999.4, "999"), (999.9, "1.00k"), (1000, "1k"), (12_345, "12.3k"),
     (9_999, "10.0k"), (999_999, "1.00M"), (1_234_567, "1.23M"), (124_000_000, "124M"), (3e12, "3T")],
)  # fmt: skip
def test_counts(number: float, words: str) -> None:
    assert metrics.words_for_count(number) == words


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.50 kB"), (143_200_000, "143 MB"), (1.2e9, "1.20 GB")]
)
def test_bytes(size: float, words: str) -> None:
    assert metrics.words_for_bytes(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0s"),
        (0.4, "0s"),
        (59.6, "1m00s"),
        (192, "3m12s"),
        (3599.6, "1h00m"),
        (7500, "2h05m"),
        (2_960_000, "34d06h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert metrics.words_for_seconds(seconds) == words


def test_a_clock_names_the_day_unless_it_is_today() -> None:
    noon = time.mktime((2025, 3, 5, 12, 0, 0, 0, 0, -1))
    assert metrics.words_for_clock(noon + 9000, noon) == "14:30"
    assert metrics.words_for_clock(noon + 86400, noon).endswith(" 06 12:00")
