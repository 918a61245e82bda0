"""The same samples in the same order, whatever the number of ranks, the micro-batch and the places of the resumes."""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from holdfast.feed import order
from holdfast.feed.feed import Feed
from holdfast.feed.shards import Shards
from holdfast.feed.write import ShardWriter
from holdfast.train.state import RunState
from holdfast.train.step import gradients
from holdfast.train.sync import Alone
from tests.chaos.results import count, record

META = {"tokenizer_fingerprint": "t", "made_from": "m", "text_bytes": 1000}
CASES = count(100, 500)
Rows = list[bytes]


class Witness(nn.Module):
    """A model that learns nothing and remembers every row it was given, with its targets."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.rows: Rows = []
        self.largest = 0

    def loss_sum(self, inputs: Tensor, targets: Tensor, segments: Tensor | None) -> Tensor:
        self.rows += [bytes(row) for row in torch.cat([inputs, targets], 1).numpy()]
        self.largest = max(self.largest, len(inputs))
        return self.weight * 0


class NoOptimizer:
    def zero_grad(self) -> None:
        """Nothing to forget."""


class Distant(Alone):
    """Rank `rank` of `world_size`, whose others say nothing."""

    def __init__(self, rank: int, world_size: int) -> None:
        self.rank, self.world_size = rank, world_size  # type: ignore[misc]


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> list[Shards]:
    """A few corpora in which no two rows are alike: every id occurs once."""
    made = []
    for seed in range(6):
        chance = np.random.default_rng(seed)
        out = tmp_path_factory.mktemp("shards")
        with ShardWriter(out, np.uint16, 700) as writer:
            first = 1
            for length in chance.integers(2, 40, chance.integers(10, 50)):
                writer.add(np.arange(first, first + length))
                first += length
            writer.close(META)
        made.append(Shards.open(out))
    return made


@pytest.mark.slow
def test_any_layout_reads_the_same_rows_in_the_same_order_each_once_an_epoch(corpora: list[Shards]) -> None:
    chance = Random(20)
    rows_seen = 0
    for _ in range(CASES):
        shards, context, rows = chance.choice(corpora), chance.choice((8, 16, 24)), chance.randint(1, 16)
        seed, packing = chance.getrandbits(40), chance.choice(("windows", "documents"))
        alone = Feed(shards, context, rows, seed, packing)
        batches = -(-alone.rows_per_epoch // rows) + 1  # an epoch, and a part of the next
        expected = seen(alone, range(batches), rows)
        found = []
        for part in cut(batches, chance):  # each start of the run with a layout of its own
            world, micro = chance.randint(1, min(rows, 8)), chance.randint(1, rows)
            found += together(shards, (context, rows, seed, packing), world, micro, part)
        assert found == expected
        assert sorted(expected[: alone.rows_per_epoch]) == all_rows(alone), "each row exactly once"
        rows_seen += len(found)
    record("elastic-order", {"cases": CASES, "rows": rows_seen, "differences": 0})


def cut(batches: int, chance: Random) -> Iterator[range]:
    """0..batches-1 in up to five parts."""
    places = sorted({0, batches, *(chance.randint(0, batches) for _ in range(chance.randint(0, 4)))})
    yield from (range(start, stop) for start, stop in pairwise(places))


def together(shards: Shards, settings: tuple[int, int, int, str], world: int, micro: int, part: range) -> Rows:
    """What `world` ranks are given in these batches, joined in rank order batch by batch."""
    by_rank = []
    for rank in range(world):
        feed = Feed(shards, *settings, 0, rank, world)
        by_rank.append([seen(feed, [index], micro, rank, world) for index in part])
    return [row for shares in zip(*by_rank, strict=True) for share in shares for row in share]


def seen(feed: Feed, indexes: Sequence[int], micro: int, rank: int = 0, world: int = 1) -> Rows:
    """The rows that the model of one rank is given, by the step that trains it."""
    witness = Witness()
    state = RunState(witness, NoOptimizer(), "pretrain", 1, micro, "fp32")
    for state.position in indexes:
        gradients(state, feed.batch_at(state.position), feed.rows, Distant(rank, world))
    assert witness.largest <= micro
    return witness.rows


def all_rows(feed: Feed) -> Rows:
    batch = feed.in_order(0, feed.rows_per_epoch)
    return sorted(bytes(row) for row in np.concatenate([batch.inputs, batch.targets], 1))


def test_a_far_place_costs_no_more_than_a_near_one(corpora: list[Shards], monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[int] = []

    def counted(cells: NDArray[np.uint64], *rest: object) -> NDArray[np.uint64]:
        evaluated.append(cells.size)
        return plain(cells, *rest)

    plain = order._feistel
    monkeypatch.setattr(order, "_feistel", counted)
    samples, rows, far = 3 * 10**9 + 1, 64, 10**9
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        places = order.shuffled(np.arange(far, far + rows), samples, len(seconds))
        seconds.append(time.perf_counter() - began)
        assert len(set(places.tolist())) == rows
    assert sum(evaluated) <= 20 * 2 * rows, "of a permutation of billions, only the rows of this batch are worked out"

    feed = Feed(corpora[0], 16, rows, 7)
    evaluated.clear()
    batch_seconds = []
    for index in range(far, far + 20):
        began = time.perf_counter()
        assert feed.batch_at(index).inputs.shape == (rows, 16)
        batch_seconds.append(time.perf_counter() - began)
    assert sum(evaluated) <= 20 * 2 * rows
    record(
        "elastic-seek",
        {
            "position": far,
            "rows": rows,
            "synthetic_index_ms": {"median": 1000 * float(np.median(seconds)), "worst": 1000 * max(seconds)},
            "batch_ms": {"median": 1000 * float(np.median(batch_seconds)), "worst": 1000 * max(batch_seconds)},
        },
    )
