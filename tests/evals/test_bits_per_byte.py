"""Bits per byte: the definition, the choice of rows, and what has no honest number."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import DataFault, Diverged
from holdfast.base.records import Batch
from holdfast.evals.bits_per_byte import bits_per_byte, spread
from holdfast.feed.feed import Feed
from holdfast.feed.shards import Shards
from holdfast.feed.write import ShardWriter

VOCAB = 64
BYTES = np.array([0, 0, *range(1, VOCAB - 1)])  # ids 0 and 1 are special


class Rows:
    """Held-out rows in memory."""

    def __init__(self, targets: np.ndarray) -> None:
        self.targets = targets
        self.asked: list[tuple[int, int]] = []

    @property
    def rows_per_epoch(self) -> int:
        return len(self.targets)

    def in_order(self, start: int, stop: int) -> Batch:
        self.asked.append((start, stop))
        return Batch(np.zeros_like(self.targets[start:stop]), self.targets[start:stop])


def some_rows(rows: int = 40, length: int = 16) -> Rows:
    return Rows(np.random.default_rng(0).integers(-1, VOCAB, (rows, length)))


def uniform(batch: Batch) -> float:
    return batch.trained_tokens * math.log(VOCAB)


def lopsided(batch: Batch) -> float:
    """A model that finds large ids surprising."""
    return float(batch.targets[batch.targets >= 0].sum()) / 7


def test_a_uniform_guess_scores_its_baseline() -> None:
    score = bits_per_byte(uniform, some_rows(), BYTES, 10**9, 8)
    assert score.value == pytest.approx(score.baseline)
    assert (score.name, score.metric) == ("validation", "bits_per_byte")


def test_special_targets_cost_bits_and_stand_for_no_bytes() -> None:
    targets = np.array([[5, 1, -1]])
    score = bits_per_byte(lambda batch: 3.0 * batch.trained_tokens, Rows(targets), BYTES, 10**9, 8)
    assert score.n == BYTES[5]
    assert score.value == pytest.approx(2 * 3.0 / math.log(2) / BYTES[5])


@pytest.mark.parametrize("micro_batch_rows", [1, 3, 1000])
@pytest.mark.parametrize("most_tokens", [1, 200, 10**9])
def test_the_micro_batch_changes_nothing(micro_batch_rows: int, most_tokens: int) -> None:
    one = bits_per_byte(lopsided, some_rows(200), BYTES, most_tokens, 7)
    other = bits_per_byte(lopsided, some_rows(200), BYTES, most_tokens, micro_batch_rows)
    assert other.value == pytest.approx(one.value, rel=1e-12)
    assert (other.n, other.baseline) == (one.n, one.baseline)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 60))
def test_rows_are_chosen_once_in_order_and_all_over_the_split(rows: int, wanted: int, spans: int) -> None:
    chosen = spread(rows, wanted, spans)
    flat = [row for span in chosen for row in span]
    assert len(flat) == min(rows, wanted)
    assert flat == sorted(set(flat))
    assert flat[0] >= 0
    assert flat[-1] < rows
    if len(chosen) > 1:
        gap = (rows - len(flat)) / len(chosen)
        assert flat[0] <= gap + 1, "the start of the split is not left out"
        assert rows - 1 - flat[-1] <= gap + 1, "nor is its end"


def test_the_interval_tells_even_text_from_uneven_text() -> None:
    even = bits_per_byte(uniform, Rows(np.full((50, 8), 9)), BYTES, 10**9, 4)
    assert even.low == pytest.approx(even.value)
    assert even.high == pytest.approx(even.value)
    uneven = bits_per_byte(lopsided, some_rows(), BYTES, 10**9, 4)
    assert uneven.low is not None
    assert uneven.high is not None
    assert uneven.low < uneven.value < uneven.high
    assert bits_per_byte(uniform, some_rows(1), BYTES, 10**9, 4).low is None, "one place says nothing about spread"


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(3)
    truth = 1 / 7 / math.log(2) * _mean(lambda ids: ids) / _mean(lambda ids: BYTES[ids])
    hits = 0
    for _ in range(300):
        score = bits_per_byte(lopsided, Rows(draws.integers(2, VOCAB, (50, 4))), BYTES, 10**9, 50)
        assert score.low is not None
        assert score.high is not None
        hits += score.low <= truth <= score.high
    assert 0.90 <= hits / 300 <= 0.99


def _mean(measure: Callable[[np.ndarray], np.ndarray]) -> float:
    return float(measure(np.arange(2, VOCAB)).mean())


def test_no_text_is_not_a_score_of_zero() -> None:
    with pytest.raises(DataFault, match="no text"):
        bits_per_byte(uniform, Rows(np.full((3, 4), 1)), BYTES, 10**9, 4)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    with pytest.raises(Diverged, match="not finite"):
        bits_per_byte(lambda batch: math.nan, some_rows(), BYTES, 10**9, 4)


def test_reads_a_real_feed(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "val") as writer:
        for start in range(2, 40):
            writer.add([1, *range(start, start + 10), 0])
        writer.close({"tokenizer_fingerprint": "t", "made_from": "m", "text_bytes": 1})
    feed = Feed(Shards.open(tmp_path / "val"), context_length=8, rows=2, seed=0)
    score = bits_per_byte(uniform, feed, BYTES, 10**9, 4)
    stream = [id_ for start in range(2, 40) for id_ in (1, *range(start, start + 10), 0)]
    assert score.n == BYTES[stream[1:]].sum(), "every token but the first is predicted once"
