"""Pairs of neighbouring tokens are counted right, across pieces and where the corpus is too large to read whole."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.feed import neighbours as module
from holdfast.feed.neighbours import neighbours

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
