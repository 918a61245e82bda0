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
        patch.setattr(loss, "CHUNK_ELEMENTS", elements)
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
