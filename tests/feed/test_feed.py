import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import DataFault, RecipeFault
from holdfast.feed.feed import Feed
from holdfast.feed.shards import Shards
from holdfast.feed.write import ShardWriter

META = {"tokenizer_fingerprint": "t", "made_from": "m", "text_bytes": 1000}
PACKINGS = ["windows", "documents"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """300 documents of 2 to 60 different ids over several shards."""
    lengths = np.random.default_rng(0).integers(2, 61, 300)
    ends = np.cumsum(lengths)
    out = tmp_path_factory.mktemp("shards")
    with ShardWriter(out, np.uint16, 2500) as writer:
        for end, length in zip(ends, lengths, strict=True):
            writer.add(np.arange(end - length, end))
        writer.close(META)
    return Shards.open(out)


def joined(batches):
    return [np.concatenate([getattr(batch, name) for batch in batches]) for name in ("inputs", "targets")]


@pytest.mark.parametrize("packing", PACKINGS)
def test_an_epoch_holds_every_row_once_in_an_order_of_its_own(shards, packing):
    feed = Feed(shards, 32, 1, 7, packing)
    n = feed.rows_per_epoch
    plain, _ = joined([feed.in_order(start, start + 50) for start in range(0, n, 50)])
    epochs = [joined([feed.batch_at(i) for i in range(e * n, (e + 1) * n)]) for e in range(2)]
    for inputs, targets in epochs:
        assert sorted(map(bytes, inputs)) == sorted(map(bytes, plain))
        assert (targets >= 0).sum() == feed.trained_tokens_per_epoch
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    assert not np.array_equal(epochs[0][0], plain)


@pytest.mark.parametrize("packing", PACKINGS)
@given(rows=st.integers(1, 9), world=st.integers(1, 9), index=st.integers(0, 500), seed=st.integers())
def test_ranks_share_the_batch_of_one(shards, packing, rows, world, index, seed):
    world = min(world, rows)
    alone = Feed(shards, 16, rows, seed, packing).batch_at(index)
    shares = [Feed(shards, 16, rows, seed, packing, 0, rank, world).batch_at(index) for rank in range(world)]
    assert alone.inputs.shape == (rows, 16)
    for whole, parts in zip((alone.inputs, alone.targets), joined(shares), strict=True):
        assert np.array_equal(whole, parts)


@pytest.mark.parametrize("packing", PACKINGS)
def test_the_batch_size_does_not_change_the_sequence_and_calls_leave_no_trace(shards, packing):
    by_two, by_six = Feed(shards, 24, 2, 5, packing), Feed(shards, 24, 6, 5, packing)
    for index in (9, 3, 3, 80):
        parts = joined([by_two.batch_at(3 * index + i) for i in range(3)])
        assert np.array_equal(by_six.batch_at(index).inputs, parts[0])


@pytest.mark.parametrize("packing", PACKINGS)
def test_any_batch_is_made_at_once(shards, packing):
    feed = Feed(shards, 256, 8, 0, packing)
    feed.batch_at(0)
    times = []
    for index in (1, 2, 3, 10**9, 10**9 + 1, 10**12):
        began = time.perf_counter()
        batch = feed.batch_at(index)
        times.append(time.perf_counter() - began)
        assert batch.inputs.dtype == batch.targets.dtype == np.int64
        assert batch.inputs.shape == (8, 256)
    assert min(times) < 0.002  # far below; the rest is for a busy machine


def test_a_corpus_smaller_than_a_batch_repeats_and_says_so(make):
    feed = Feed(make([[1, 2, 3, 4]]), 16, 6, 0, "documents", pad_id=9)
    assert feed.rows_per_epoch == 1
    assert feed.epochs_per_batch == 6
    batch = feed.batch_at(0)
    assert (batch.inputs == [1, 2, 3, *[9] * 13]).all()
    assert (batch.targets == [2, 3, 4, *[-1] * 13]).all()
    assert (batch.segments == [0] * 3 + [1] * 13).all()
    assert feed.in_order(0, 99).inputs.shape == (1, 16)


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(("documents", "masks"), [([[5]], None), ([[1, 2, 3]], [[1, 0, 0]])])
def test_nothing_to_learn_is_a_fault(make, packing, documents, masks):
    with pytest.raises(DataFault, match="nothing to learn"):
        Feed(make(documents, masks), 8, 2, 0, packing)


@pytest.mark.parametrize(("context", "rows", "rank", "world"), [(0, 1, 0, 1), (8, 0, 0, 1), (8, 2, 2, 2), (8, 2, 0, 3)])
def test_empty_batches_are_refused(shards, context, rows, rank, world):
    with pytest.raises(RecipeFault):
        Feed(shards, context, rows, 0, "windows", 0, rank, world)
