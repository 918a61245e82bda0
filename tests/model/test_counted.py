"""A model that starts from counts says what the counts say, before it was ever trained."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from holdfast.model.build import build, initialise
from holdfast.model.config import Profile, TransformerConfig
from holdfast.model.counted import SMOOTHING, Pairs, start_from_counts, start_pairs
from holdfast.model.transformer import Transformer

VOCABULARY = 40


def fresh(width: int = 32, *, tied: bool = False, profile: Profile = "portable") -> Transformer:
    model = build(TransformerConfig(VOCABULARY, 16, width, 2, 2, 2, 64, tied=tied, profile=profile))
    assert isinstance(model, Transformer)
    initialise(model, 1)
    return model


@pytest.fixture
def table() -> Tensor:
    """(V, V) counts of a language with few kinds of words, some of which never stand side by side."""
    generator = torch.Generator().manual_seed(4)
    kinds = torch.randint(0, 5, (VOCABULARY,), generator=generator)
    habit = torch.randn(5, 5, generator=generator).mul(2).exp()
    often = torch.rand(VOCABULARY, generator=generator).add(0.1).square()
    table = habit[kinds][:, kinds] * often[:, None] * often
    table = (table / table.sum() * 200_000).round().long()
    table[3, 7] = table[9] = 0
    return table


def pairs(table: Tensor) -> Pairs:
    first, second = table.nonzero().T
    return Pairs(first, second, table[first, second])


def wanted(table: Tensor) -> Tensor:
    """The smoothed probabilities that the module's head describes."""
    share = table.sum(0).add(0.5) / table.sum(0).add(0.5).sum()
    counted = share + table / SMOOTHING
    return counted / counted.sum(1, keepdim=True)


@torch.no_grad()
def test_its_first_guess_is_what_was_counted(table: Tensor) -> None:
    model = fresh()
    start_from_counts(model, pairs(table), seed=1)
    guess = model(torch.arange(VOCABULARY)[:, None])[:, 0].softmax(-1)
    weight = table.sum(1, keepdim=True) / table.sum()
    far = (weight * wanted(table) * (wanted(table).log() - guess.log())).sum()  # nats of surprise too many
    assert 0 <= far < 0.01
    usual = table.sum(0) / table.sum()
    assert far < 0.05 * (weight * wanted(table) * (wanted(table).log() - usual.log())).sum()


@torch.no_grad()
def test_all_vectors_are_about_as_long_as_those_that_a_norm_makes(table: Tensor) -> None:
    model = fresh()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start_from_counts(model, pairs(table), seed=1)
    lengths = model.embed.weight.square().mean(1)
    torch.testing.assert_close(lengths, torch.ones(VOCABULARY), rtol=0.2, atol=0.0)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"embed.weight", "head.weight"}


@torch.no_grad()
def test_the_same_counts_and_seed_give_the_same_bits(table: Tensor) -> None:
    models = [fresh() for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        start_from_counts(model, pairs(table), seed)
    assert torch.equal(models[0].embed.weight, models[1].embed.weight)
    assert not torch.equal(models[0].embed.weight, models[2].embed.weight)


@torch.no_grad()
def test_a_vocabulary_smaller_than_the_width_leaves_dimensions_over(table: Tensor) -> None:
    model = fresh(width=64)
    start_from_counts(model, pairs(table), seed=1)
    assert bool(model(torch.arange(VOCABULARY)[:, None]).isfinite().all())


def test_what_can_not_hold_counts_is_refused(table: Tensor) -> None:
    with pytest.raises(ValueError, match="tied"):
        start_from_counts(fresh(tied=True), pairs(table), seed=1)
    narrow = build(TransformerConfig(VOCABULARY, 16, 2, 1, 1, 1, 4, tied=False))
    assert isinstance(narrow, Transformer)
    with pytest.raises(ValueError, match="no room"):
        start_from_counts(narrow, pairs(table), seed=1)


@torch.no_grad()
def test_a_table_of_pairs_knows_what_comes_behind_two_tokens(table: Tensor) -> None:
    """A language in which token 5 is followed by what stood before it."""
    model = fresh(profile="fast")
    start_from_counts(model, pairs(table), seed=1)
    before = torch.arange(VOCABULARY)
    keys = 5 * VOCABULARY + before
    start_pairs(model, keys, Pairs(before, before, torch.full((VOCABULARY,), 5000)))
    said = model(torch.stack([before, torch.full_like(before, 5)], 1))[:, 1].log_softmax(-1)
    alone = model(torch.tensor([[5]]))[0, 0].log_softmax(-1)
    gained = said - alone
    right = gained.diagonal()  # not all: the head tells frequent tokens apart, and rare ones less
    assert float((right > 0).float().mean()) > 0.75
    assert float(right.mean()) > 1.5
    assert model.pairs is not None
    assert not model.pairs.weight[VOCABULARY:].any()
