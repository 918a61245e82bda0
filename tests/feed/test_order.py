import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.feed.order import shuffled


@given(st.integers(1, 3000), st.integers(-(2**70), 2**70), st.integers(0, 5))
def test_every_epoch_is_a_permutation(n, seed, epoch):
    order = shuffled(np.arange(epoch * n, (epoch + 1) * n), n, seed)
    assert sorted(order.tolist()) == list(range(n))


@pytest.mark.slow
@given(st.integers(1, 50), st.lists(st.integers(0, 400), max_size=20))
def test_places_do_not_depend_on_what_is_asked_with_them(n, positions):
    whole = shuffled(np.arange(401), n, 3)
    assert shuffled(np.array(positions, dtype=np.int64), n, 3).tolist() == whole[positions].tolist()


def test_seeds_and_epochs_differ_and_order_looks_random():
    n = 10_000
    first, second = shuffled(np.arange(2 * n), n, 1).reshape(2, n)
    other = shuffled(np.arange(n), n, 2)
    for a, b in ((first, second), (first, other), (first, np.arange(n))):
        assert (a == b).mean() < 0.002
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.05
    steps = np.abs(np.diff(first))
    assert abs(steps.mean() - n / 3) < n * 0.02  # the mean distance of two random places
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.05


def test_every_order_of_three_occurs_about_equally_often():
    orders = [tuple(shuffled(np.arange(3 * e, 3 * e + 3), 3, 0)) for e in range(1200)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert min(counts) > 140


def test_the_farthest_place_costs_what_the_first_does():
    began = time.perf_counter()
    places = shuffled(np.arange(10**18, 10**18 + 8), 10**12 + 7, 0)
    assert time.perf_counter() - began < 0.2
    assert len(set(places.tolist())) == 8
    assert places.min() >= 0
    assert places.max() < 10**12 + 7
