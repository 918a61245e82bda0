"""The head's loss against torch's own, however it is cut."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from holdfast.model import loss
from holdfast.model.loss import cross_entropy_sum


def problem(tokens: int, trained: list[bool], vocab_size: int = 11) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(tokens)
    hidden = torch.randn(tokens, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(vocab_size, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, vocab_size, (tokens,), generator=generator)
    return hidden, weight, torch.where(torch.tensor(trained, dtype=torch.bool), targets, -1)


@settings(max_examples=40)
@given(trained=st.lists(st.booleans(), min_size=1, max_size=40), elements=st.integers(1, 500))
def test_value_and_gradients_are_those_of_plain_cross_entropy(trained: list[bool], elements: int) -> None:
    hidden, weight, targets = problem(len(trained), trained)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "chunk_rows", lambda tokens, vocab_size, most: max(1, elements // vocab_size))
        ours = cross_entropy_sum(hidden, weight, targets)
    plain = F.cross_entropy(hidden @ weight.T, targets, ignore_index=-1, reduction="sum")
    torch.testing.assert_close(ours, plain.float())
    ours_grads = torch.autograd.grad(ours / 3, [hidden, weight])
    torch.testing.assert_close(ours_grads, torch.autograd.grad(plain / 3, [hidden, weight]), rtol=1e-5, atol=1e-6)


def test_nothing_to_learn_costs_nothing_and_moves_nothing() -> None:
    hidden, weight, targets = problem(5, [False] * 5)
    total = cross_entropy_sum(hidden, weight, targets)
    total.backward()
    assert total.item() == 0.0
    assert torch.equal(hidden.grad, torch.zeros_like(hidden))
    assert torch.equal(weight.grad, torch.zeros_like(weight))


def test_without_gradients_none_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, targets = problem(30, [True] * 30)
    with_grad = cross_entropy_sum(hidden, weight, targets)
    made = []
    zeros_like_weight = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *shape, **kw: made.append(shape) or zeros_like_weight(*shape, **kw))
    with torch.no_grad():
        without = cross_entropy_sum(hidden, weight, targets)
    assert torch.equal(with_grad, without)
    assert weight.shape not in [shape[0] for shape in made]


def test_huge_logits_stay_finite() -> None:
    hidden = torch.full((2, 1), 1e4, requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    total = cross_entropy_sum(hidden, weight, torch.tensor([0, 1]))
    total.backward()
    assert total.item() == 2e4
    assert hidden.grad.isfinite().all()
    assert weight.grad.isfinite().all()


def learned(
    hidden: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype | None, loss_scale: float
) -> list[Tensor]:
    """Loss and gradients of the mean, the loss multiplied by `loss_scale` on the way."""
    hidden, weight = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        total = cross_entropy_sum(hidden, weight, targets)
    (total / len(targets) * loss_scale).backward()
    return [total.detach(), hidden.grad / loss_scale, weight.grad / loss_scale]


def apart(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("loss_scale", [1.0, 2.0**13])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float16, 1e-3), (torch.bfloat16, 8e-3)])
@pytest.mark.parametrize(("tokens", "vocab_size", "length"), [(2000, 31, 0.5), (300, 5000, 0.05)])
def test_half_precision_gives_the_gradients_of_fp32(
    tokens: int, vocab_size: int, length: float, dtype: torch.dtype, most: float, loss_scale: float
) -> None:
    generator = torch.Generator().manual_seed(tokens)
    weight = torch.randn(vocab_size, 16, generator=generator) * length
    targets = torch.randint(0, vocab_size, (tokens,), generator=generator)
    hidden = weight[targets] / weight[targets].norm(dim=1, keepdim=True) * 4
    hidden, weight = hidden.to(dtype).float(), weight.to(dtype).float()  # so that only the products differ
    exact = learned(hidden, weight, targets, None, 1.0)
    half = learned(hidden, weight, targets, dtype, loss_scale)
    assert all(tensor.dtype == torch.float32 for tensor in half)
    assert apart(half[0], exact[0]) < most
    assert apart(half[1], exact[1]) < 3 * most
    assert apart(half[2], exact[2]) < 3 * most


def test_fp16_keeps_the_small_slopes_of_a_model_that_is_nearly_right() -> None:
    """One in a million is left for each wrong word, where fp16 by itself has 14 steps down to nothing."""
    targets = torch.arange(64) % 8
    hidden, weight = torch.eye(8)[targets] * 3.5, torch.eye(8) * 4.0
    exact = learned(hidden, weight, targets, None, 1.0)
    half = learned(hidden, weight, targets, torch.float16, 1.0)
    assert 0 < exact[0] / 64 < 1e-5
    assert apart(half[1], exact[1]) < 1e-3
    assert apart(half[2], exact[2]) < 1e-3


def test_fp16_holds_the_sum_over_a_long_row_of_equal_targets() -> None:
    """What a word is moved by when a whole chunk wants it: 0.75 * 100,000 * 3 is beyond fp16."""
    hidden = torch.full((100_000, 2), 3.0)
    weight = torch.zeros(4, 2)
    half = learned(hidden, weight, torch.zeros(100_000, dtype=torch.long), torch.float16, 1.0)
    torch.testing.assert_close(half[2][:, 0], torch.tensor([-2.25, 0.75, 0.75, 0.75]), rtol=1e-3, atol=0.0)


def test_only_fp16_needs_a_scale_and_it_is_a_power_of_two() -> None:
    assert loss.slope_scale(torch.float32, 100) == loss.slope_scale(torch.bfloat16, 100) == 1.0
    scales = [loss.slope_scale(torch.float16, rows) for rows in (0, 1, 2, 20, 1024, 1 << 20)]
    assert scales == [2.0**13, 2.0**13, 2.0**12, 2.0**8, 2.0**3, 2.0**-7]
