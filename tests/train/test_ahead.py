"""A feed that is one batch ahead gives what the feed gives, in whatever order it is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from holdfast.base.records import Batch
from holdfast.train.ahead import Ahead, one_ahead, page_locked
from tests.train.toy import Ramp


def same(one: Batch, other: Batch) -> bool:
    return np.array_equal(one.inputs, other.inputs) and np.array_equal(one.targets, other.targets)


def test_every_batch_is_the_feeds_own() -> None:
    feed = Ramp()
    ahead = Ahead(feed, lambda batch: batch)
    order = [0, 1, 2, 7, 8, 3, 3, 4, 5]
    assert all(same(ahead.batch_at(index), Ramp().batch_at(index)) for index in order)
    once = [0, 1, 2, 3, 7, 8, 9, 3, 4, 3, 4, 5]  # each with the one behind it, unless that is there
    assert sorted(index for index in feed.asked if index != 6) == sorted(once)


def test_a_failure_shows_where_the_batch_is_asked_for() -> None:
    class Short(Ramp):
        def batch_at(self, index: int) -> Batch:
            if index == 2:
                raise OSError("the disk is gone")
            return super().batch_at(index)

    ahead = Ahead(Short(), lambda batch: batch)
    ahead.batch_at(0)
    ahead.batch_at(1)
    with pytest.raises(OSError, match="the disk is gone"):
        ahead.batch_at(2)


def test_elsewhere_than_on_a_gpu_the_feed_is_left_alone() -> None:
    feed = Ramp()
    assert one_ahead(feed, torch.device("cpu")) is feed
    assert isinstance(one_ahead(feed, torch.device("cuda")), Ahead)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_parts_of_a_page_locked_batch_are_page_locked() -> None:
    batch = page_locked(Ramp().batch_at(3))
    assert same(batch, Ramp().batch_at(3))
    assert torch.from_numpy(batch.rows(1, 3).inputs).is_pinned()
