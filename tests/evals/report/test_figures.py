"""Numbers as people read them."""

from __future__ import annotations

import pytest

from holdfast.evals.report.figures import compact, duration, moment, plain, score


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (950, "950"), (9500, "9,500"), (12_000, "12k"), (1_234_567, "1.23M"), (2e9, "2B")],
)
def test_compact(value: float, text: str) -> None:
    assert compact(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (59.4, "59 s"),
        (59.9, "1 min 00 s"),
        (545, "9 min 05 s"),
        (3599.8, "1 h 00 min"),
        (7325, "2 h 02 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_scores_and_facts() -> None:
    assert score(0.8765, "exact_match") == "87.6 %"
    assert score(1.23456, "bits_per_byte") == "1.235"
    assert score(None, "bits_per_byte") == "–"
    assert [plain(each) for each in (True, None, 1234567, 0.123456, "x")] == ["yes", "–", "1,234,567", "0.1235", "x"]
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment("yesterday") == "yesterday"
    assert moment(None) == ""
