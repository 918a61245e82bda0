"""Pairs of neighbouring tokens are counted right, across pieces and where the corpus is too large to read whole."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.feed import neighbours as module
from holdfast.feed.neighbours import behind, frequent, neighbours

VOCABULARY = 11


def counted(ids: np.ndarray) -> np.ndarray:
    table = np.zeros((VOCABULARY, VOCABULARY), dtype=np.int64)
    np.add.at(table, (ids[:-1], ids[1:]), 1)
    return table


def as_table(found: module.Neighbours) -> np.ndarray:
    table = np.zeros((VOCABULARY, VOCABULARY), dtype=np.int64)
    np.add.at(table, (found.first, found.second), found.count)
    assert len({*zip(found.first.tolist(), found.second.tolist(), strict=True)}) == len(found.first)
    assert found.count.min() > 0
    return table


@pytest.mark.parametrize("piece", [1 << 22, 97, 100, 1])
def test_every_pair_counts_once_whatever_the_pieces(make, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    ids = np.random.default_rng(1).integers(0, VOCABULARY, 301)
    monkeypatch.setattr(module, "PIECE_TOKENS", piece)
    monkeypatch.setattr(module, "MOST_PIECES", 1000)
    found = neighbours(make([ids[:120].tolist(), ids[120:].tolist()]), VOCABULARY)
    assert np.array_equal(as_table(found), counted(ids))


def test_of_a_large_corpus_pieces_from_all_over_are_read(make, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.repeat(np.arange(10), 100)
    monkeypatch.setattr(module, "PIECE_TOKENS", 50)
    monkeypatch.setattr(module, "MOST_PIECES", 5)
    found = neighbours(make([ids.tolist()]), VOCABULARY)
    assert found.count.sum() == pytest.approx(5 * 50, abs=1)
    assert found.first.min() == 0
    assert found.first.max() == 9


def test_what_follows_the_frequent_pairs_is_counted(make, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(2).integers(0, VOCABULARY, 3000) ** 2 // VOCABULARY
    monkeypatch.setattr(module, "PIECE_TOKENS", 1000)
    shards = make([ids.tolist()])
    keys = frequent(neighbours(shards, VOCABULARY), VOCABULARY, 20)
    times: dict[tuple[int, int], int] = {}
    after: dict[tuple[int, int, int], int] = {}
    for one, two, three in zip(ids, ids[1:], ids[2:], strict=False):
        times[two, one] = times.get((two, one), 0) + 1
        after[two, one, three] = after.get((two, one, three), 0) + 1
    assert len(keys) == 20
    assert (np.diff(keys) > 0).all()
    pairs = [divmod(int(key), VOCABULARY) for key in keys]
    assert min(times[pair] for pair in pairs) >= sorted(times.values())[-21]
    found = behind(shards, VOCABULARY, keys)
    for place, second, count in zip(found.first, found.second, found.count, strict=True):
        there = after[(*pairs[place], int(second))]
        assert there - 2 <= count <= there  # the two places where pieces meet have no pair in front
    assert found.count.sum() >= sum(times[pair] for pair in pairs) - 3
