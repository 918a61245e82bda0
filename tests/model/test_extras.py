"""The table of pairs is looked up by the two tokens at hand, wherever a row, a segment or a cache begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from holdfast.model.build import build, initialise
from holdfast.model.config import TransformerConfig
from holdfast.model.extras import PairTable

CONFIG = TransformerConfig(96, 48, 32, 2, 4, 4, 128, mlp="relu2", tied=False, profile="fast")


@pytest.fixture
def table() -> PairTable:
    """A vector for every pair of the tokens 3, 5, 7 and 9 with those below 90."""
    table = PairTable(4 * 90 + 1, 96, 8)
    table.keys.copy_(torch.tensor([token * 96 + before for token in (3, 5, 7, 9) for before in range(90)]))
    torch.nn.init.normal_(table.weight, generator=torch.Generator().manual_seed(1))
    return table


@torch.no_grad()
def test_a_pair_is_both_tokens_in_their_order(table: PairTable) -> None:
    ids = torch.tensor([[3, 5, 3, 5], [9, 3, 5, 9]])
    vectors = table(ids)
    assert torch.equal(vectors[0, 1], vectors[0, 3])
    assert torch.equal(vectors[0, 1], vectors[1, 2])
    assert not torch.equal(vectors[0, 1], vectors[0, 2])
    assert not torch.equal(vectors[1, 3], vectors[0, 3])


@torch.no_grad()
def test_a_row_goes_on_behind_what_was_read_before(table: PairTable) -> None:
    ids = torch.tensor([[3, 5, 7, 9]])
    assert torch.equal(table(ids[:, 2:], before=ids[:, 1:2]), table(ids)[:, 2:])
    assert not torch.equal(table(ids[:, 2:])[:, 0], table(ids)[:, 2])


@torch.no_grad()
def test_a_pair_never_reaches_across_two_segments(table: PairTable) -> None:
    ids, segments = torch.tensor([[3, 5, 7, 9]]), torch.tensor([[0, 0, 1, 1]])
    split = table(ids, segments=segments)
    assert torch.equal(split[:, 2:], table(ids[:, 2:]))
    assert torch.equal(split[:, :2], table(ids[:, :2]))


@torch.no_grad()
def test_pairs_that_are_not_known_share_the_last_row(table: PairTable) -> None:
    vectors = table(torch.tensor([[95, 3, 4, 9], [3, 3, 9, 9]]))
    unknown = table.weight[-1]
    assert [[torch.equal(vector, unknown) for vector in row] for row in vectors] == [
        [True, True, True, False],
        [True, False, False, False],
    ]
    assert torch.equal(PairTable(361, 96, 8).rows(*torch.tensor([[[3]], [[5]]])), torch.tensor([[360]]))


def test_the_keys_are_part_of_what_is_saved(table: PairTable) -> None:
    assert torch.equal(table.state_dict()["keys"], table.keys)


@torch.no_grad()
def test_a_fast_model_begins_as_a_portable_one(ids: Tensor) -> None:
    models = [build(config) for config in (CONFIG, replace(CONFIG, profile="portable"))]
    for model in models:
        initialise(model, 3)
    assert torch.equal(models[0](ids), models[1](ids))
