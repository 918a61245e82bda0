import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.feed.pack import Documents, Windows, best_fit, cut

PAD = 60_000
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


class Held:
    """Shards in memory: document d of the given lengths, ids all different and counted from 1."""

    def __init__(self, lengths, seed=None):
        self.lengths = np.array(lengths)
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.tokens = int(self.lengths.sum())
        self.masked = seed is not None
        mask = np.ones(self.tokens) if seed is None else np.random.default_rng(seed).integers(0, 2, self.tokens)
        self.mask = mask.astype(bool)
        self.trained_tokens = int(self.mask.sum())
        self.document_of = np.repeat(np.arange(len(lengths)), self.lengths)

    def ids_at(self, positions):
        return np.arange(1, self.tokens + 1)[positions]

    def learned_at(self, positions):
        return self.mask[positions]


@given(LENGTHS, st.integers(1, 12), st.none() | st.integers(0, 9))
def test_windows_hold_every_target_once(lengths, context, seed):
    held = Held(lengths, seed)
    view = Windows(held, context, PAD)
    batch = view.batch(np.arange(view.rows))
    assert batch.segments is None
    assert batch.inputs.shape == batch.targets.shape == (view.rows, context)
    trained = batch.targets[batch.targets >= 0]
    assert trained.tolist() == [i + 1 for i in range(1, held.tokens) if held.mask[i]]
    assert view.trained_tokens == len(trained)
    assert (batch.targets[batch.targets >= 0] == batch.inputs[batch.targets >= 0] + 1).all()
    assert batch.inputs[batch.inputs != PAD].tolist()[: held.tokens - 1] == list(range(1, held.tokens))


@given(LENGTHS, st.integers(1, 12), st.none() | st.integers(0, 9))
def test_documents_hold_every_target_once_and_never_cross(lengths, context, seed):
    held = Held(lengths, seed)
    view = Documents(held, context, PAD)
    batch = view.batch(np.arange(view.rows))
    trained = batch.targets[batch.targets >= 0]
    inner = np.setdiff1d(np.arange(held.tokens), held.starts)
    assert sorted(trained.tolist()) == (inner[held.mask[inner]] + 1).tolist()
    assert view.trained_tokens == len(trained)

    sources = batch.inputs[batch.targets >= 0]
    assert (trained == sources + 1).all()
    assert (held.document_of[trained - 1] == held.document_of[sources - 1]).all()
    for inputs, targets, segments in zip(batch.inputs, batch.targets, batch.segments, strict=True):
        padding = inputs == PAD
        assert (targets[padding] == -1).all()
        assert not set(segments[padding]) & set(segments[~padding])
        for segment in set(segments[~padding]):
            ids = inputs[segments == segment]
            assert (np.diff(ids) == 1).all()
            assert len(set(held.document_of[ids - 1])) == 1
            assert (np.diff(np.flatnonzero(segments == segment)) == 1).all()


@given(LENGTHS, st.integers(1, 12))
def test_rows_do_not_depend_on_what_is_asked_with_them(lengths, context):
    for view in (Windows(Held(lengths, 1), context, PAD), Documents(Held(lengths, 1), context, PAD)):
        whole = view.batch(np.arange(view.rows))
        for row in range(view.rows):
            alone = view.batch(np.array([row]))
            assert (alone.inputs[0] == whole.inputs[row]).all()
            assert (alone.targets[0] == whole.targets[row]).all()


def naive_best_fit(lengths, capacity):
    """One piece at a time, into the fullest row with room; how many rows of each load."""
    loads = []
    for length in sorted(lengths, reverse=True):
        fitting = [row for row, load in enumerate(loads) if load + length <= capacity]
        if fitting:
            loads[max(fitting, key=lambda row: loads[row])] += length
        else:
            loads.append(length)
    return Counter(loads)


@given(st.lists(st.integers(1, 20), max_size=60), st.integers(20, 30))
def test_best_fit_fills_rows_as_placing_one_by_one_would(lengths, capacity):
    rows = best_fit(np.array(lengths, dtype=np.int64), capacity)
    loads = np.bincount(rows, weights=lengths).astype(int).tolist() if lengths else []
    assert all(0 < load <= capacity for load in loads)
    assert Counter(loads) == naive_best_fit(lengths, capacity)


def test_a_million_documents_are_packed_in_seconds_with_little_padding():
    lengths = np.random.default_rng(0).integers(2, 300, 1_000_000)
    began = time.perf_counter()
    _, pieces = cut(np.cumsum(lengths) - lengths, lengths, 256)
    rows = best_fit(pieces, 256)
    assert time.perf_counter() - began < 5
    loads = np.bincount(rows, weights=pieces)
    assert loads.max() <= 256
    assert loads.mean() > 0.99 * 256
    assert (best_fit(pieces, 256) == rows).all()


@pytest.mark.parametrize("view", [Windows, Documents])
def test_a_lone_token_has_no_row(view):
    assert view(Held([1]), 8, PAD).rows == 0
    assert view(Held([1]), 8, PAD).trained_tokens == 0
