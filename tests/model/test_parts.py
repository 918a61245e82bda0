"""Each piece against the plain formula it stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from holdfast.model.parts import RMSNorm, Rotary, restarting_positions, rotate, squared_relu


def test_norm_is_the_formula_with_its_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 5, 8, generator=generator, requires_grad=True)
    norm = RMSNorm(8, 1e-6)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(8, generator=generator))
    weights = torch.randn(2, 3, 5, 8, generator=generator)
    ours = torch.autograd.grad((norm(x) * weights).sum(), [x, norm.weight])
    plain = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * norm.weight
    torch.testing.assert_close(norm(x), plain)
    torch.testing.assert_close(ours, torch.autograd.grad((plain * weights).sum(), [x, norm.weight]))


def test_norm_of_nothing_is_nothing() -> None:
    x = torch.zeros(2, 8, requires_grad=True)
    y = RMSNorm(8, 1e-6)(x)
    y.sum().backward()
    assert torch.equal(y.detach(), torch.zeros(2, 8))
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_norm_keeps_the_type_of_what_it_norms() -> None:
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    norm = RMSNorm(8, 1e-6)
    half = norm(x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), norm(x), rtol=0.02, atol=0.02)


def test_squared_relu_is_the_formula_with_its_gradient() -> None:
    x = torch.tensor([-2.0, -0.0, 0.0, 0.5, 3.0], requires_grad=True)
    y = squared_relu(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(y, F.relu(x).square())
    assert torch.equal(gradient, torch.tensor([0.0, 0.0, 0.0, 1.0, 6.0]))


def test_rotation_turns_pairs_by_the_angle_of_their_place() -> None:
    rotary = Rotary(head_size=4, context_length=10, theta=100.0)
    x = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(1, 1, 10, 4)
    turned = rotate(x, *rotary.at(slice(0, 10)))[0, 0]
    place = torch.arange(10.0)
    expected = torch.stack([place.cos(), (place / 10).cos(), place.sin(), (place / 10).sin()], -1)
    torch.testing.assert_close(turned, expected)


def test_only_the_distance_of_two_places_matters_to_a_rotation() -> None:
    rotary = Rotary(head_size=8, context_length=64, theta=10_000.0)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(1))
    scores = [
        (rotate(q, *rotary.at(slice(at + 9, at + 10))) * rotate(k, *rotary.at(slice(at, at + 1)))).sum()
        for at in (0, 17, 50)
    ]
    torch.testing.assert_close(scores[1:], scores[:1] * 2)


def test_positions_start_again_with_every_segment() -> None:
    segments = torch.tensor([[0, 0, 0, 1, 1, 2], [4, 5, 5, 5, 5, 4]])
    assert restarting_positions(segments).tolist() == [[0, 1, 2, 0, 1, 0], [0, 0, 1, 2, 3, 0]]
