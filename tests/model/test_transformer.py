"""What both families promise: causality, isolation of segments, a cache that changes nothing. Run for each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from holdfast.model.cache import KVCache
from holdfast.model.config import Config

Make = Callable[[Config], nn.Module]


@torch.no_grad()
def test_a_token_sees_nothing_that_comes_after_it(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    changed = ids.clone()
    changed[:, 20:] = (changed[:, 20:] + 1) % config.vocab_size
    assert torch.equal(model(ids)[:, :20], model(changed)[:, :20])
    assert not torch.equal(model(ids)[:, 20:], model(changed)[:, 20:])


@torch.no_grad()
def test_nothing_leaks_from_one_segment_into_another(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    segments = torch.zeros_like(ids)
    segments[:, 9:25] = 1
    segments[:, 25:] = 2
    changed = ids.clone()
    changed[:, 9:25] = (changed[:, 9:25] + 1) % config.vocab_size
    before, after = model(ids, segments), model(changed, segments)
    assert torch.equal(before[:, :9], after[:, :9])
    assert torch.equal(before[:, 25:], after[:, 25:])
    assert not torch.equal(before[:, 9:25], after[:, 9:25])


def test_no_gradient_crosses_a_segment_border(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    ids = torch.stack([torch.arange(40), torch.arange(40, 80)])  # every id once, so rows of the table tell who is asked
    segments = (torch.arange(40) >= 15).long().expand(2, 40)
    targets = torch.where(segments == 1, ids, -1)
    model.hidden(ids, segments)[targets >= 0].square().sum().backward()
    gradient = model.embed.weight.grad
    assert torch.equal(gradient[ids[segments == 0]], torch.zeros(30, config.hidden_size))
    assert gradient[ids[segments == 1]].abs().sum(1).min() > 0


@torch.no_grad()
def test_a_segment_is_read_as_it_would_be_alone(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    segments = (torch.arange(40) >= 15).long().expand(3, 40)
    packed = model(ids, segments)
    torch.testing.assert_close(packed[:, :15], model(ids[:, :15]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(packed[:, 15:], model(ids[:, 15:]), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("cuts", [(40,), (1, 40), (13, 30, 40), (13, 14, 15, 39, 40)], ids=str)
def test_reading_in_pieces_gives_the_logits_of_reading_at_once(
    config: Config, make: Make, ids: Tensor, cuts: tuple[int, ...]
) -> None:
    model = make(config)
    cache = KVCache(3, config, capacity=40)
    pieces = [model(ids[:, start:stop], cache=cache) for start, stop in zip((0, *cuts), cuts, strict=False)]
    assert cache.length == 40
    torch.testing.assert_close(torch.cat(pieces, 1), model(ids), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_rows_that_leave_a_cache_do_not_disturb_those_that_stay(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    cache = KVCache(3, config, capacity=48)
    model(ids[:, :20], cache=cache)
    cache.keep(torch.tensor([2, 0]))
    torch.testing.assert_close(model(ids[[2, 0], 20:], cache=cache), model(ids)[[2, 0], 20:], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_given_positions_take_the_place_of_counted_ones(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    counted = torch.arange(40)
    assert torch.equal(model(ids, positions=counted), model(ids))
    torch.testing.assert_close(model(ids, positions=counted.expand(3, 40)), model(ids))
    assert not torch.allclose(model(ids, positions=counted.flip(0)), model(ids))


def test_more_than_the_context_is_refused(config: Config, make: Make) -> None:
    model, long = make(config), torch.zeros(1, 49, dtype=torch.long)
    with pytest.raises(ValueError, match="49 positions exceed the context length of 48"):
        model(long)
    cache = KVCache(1, config, capacity=60)
    model(long[:, :40], cache=cache)
    with pytest.raises(ValueError, match="49 positions exceed"):
        model(long[:, :9], cache=cache)


def test_a_cache_and_segments_exclude_each_other(config: Config, make: Make, ids: Tensor) -> None:
    with pytest.raises(ValueError, match="can not be used together"):
        make(config)(ids, torch.zeros_like(ids), KVCache(3, config, capacity=40))


def test_loss_is_the_summed_surprise_of_the_trained_targets(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    inputs, targets = ids[:, :-1], ids[:, 1:].clone()
    targets[:, :5] = -1
    nats = -model(inputs).log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    torch.testing.assert_close(model.loss_sum(inputs, targets), nats[targets >= 0].sum())


def test_dropout_draws_from_the_seed_of_its_caller_and_only_in_training(
    config: Config, make: Make, ids: Tensor
) -> None:
    dropping, whole = make(replace(config, dropout=0.3)), make(config)

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return dropping.loss_sum(ids, ids).item()

    assert loss(1) == loss(1) != loss(2)
    dropping.eval()
    assert loss(1) == whole.loss_sum(ids, ids).item()


def test_without_dropout_no_random_number_is_drawn(config: Config, make: Make, ids: Tensor) -> None:
    model = make(config)
    before = torch.get_rng_state()
    model.loss_sum(ids, ids).backward()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("dtype", "loss_scale", "most"), [(torch.bfloat16, 1, 0.05), (torch.float16, 2**13, 0.006)])
def test_autocast_stays_near_full_precision(
    config: Config, make: Make, ids: Tensor, dtype: torch.dtype, loss_scale: int, most: float
) -> None:
    model = make(config)
    whole = model.loss_sum(ids, ids)
    exact = torch.autograd.grad(whole / ids.numel(), list(model.parameters()))
    with torch.autocast("cpu", dtype):
        half = model.loss_sum(ids, ids)
    near = torch.autograd.grad(half / ids.numel() * loss_scale, list(model.parameters()))
    assert half.dtype == torch.float32
    assert all(gradient.dtype == torch.float32 for gradient in near)
    torch.testing.assert_close(half, whole, rtol=most, atol=0.0)
    ours, theirs = (torch.cat([gradient.flatten() for gradient in gradients]) for gradients in (near, exact))
    assert (ours / loss_scale - theirs).norm() < most * theirs.norm()
