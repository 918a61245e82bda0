"""Every kernel against what torch makes of the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from holdfast.model.build import build, initialise
from holdfast.model.config import Mlp, TransformerConfig
from holdfast.model.heads import turned_heads
from holdfast.model.parts import RMSNorm, Rotary, squared_relu, swiglu
from holdfast.native import ops
from holdfast.native.library import COMPILERS, Unavailable, compiled

CLOSE = {"rtol": 2e-5, "atol": 2e-6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the compiled kernels."""
    made = tmp_path_factory.mktemp("kernels")
    try:
        compiled(made)
    except Unavailable as reason:
        pytest.skip(f"{reason} (looked for {', '.join(COMPILERS)})")
    return made


@pytest.fixture
def kernels(folder: Path) -> Iterator[None]:
    """One thread, and the kernels in use."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert ops.load(folder) is None
    yield
    ops.unload()
    torch.set_num_threads(threads)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def both_ways(
    run: Callable[..., Tensor | tuple[Tensor, ...]], inputs: list[Tensor], folder: Path
) -> tuple[list[Tensor], list[Tensor]]:
    """Results and gradients of `run(*inputs)` with the kernels, and without."""
    made = []
    for use in (True, False):
        ops.load(folder) if use else ops.unload()
        leaves = [each.detach().clone().requires_grad_(each.requires_grad) for each in inputs]
        results = run(*leaves)
        results = results if isinstance(results, tuple) else (results,)
        sum((each * numbers(*each.shape, seed=7).detach()).sum() for each in results).backward()
        made.append([each.detach() for each in results] + [leaf.grad for leaf in leaves if leaf.grad is not None])
    return made[0], made[1]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (2, 5, 256), (4, 33)])
def test_norms(shape: tuple[int, ...], folder: Path) -> None:
    x, y, weight = numbers(*shape), numbers(*shape, seed=1), numbers(shape[-1], seed=2)

    def alone(x: Tensor, weight: Tensor) -> Tensor:
        return functional_call(RMSNorm(shape[-1], 1e-6), {"weight": weight}, x)

    def of_sum(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return functional_call(_OfSum(shape[-1], 1e-6), {"weight": weight}, (x, y))

    torch.testing.assert_close(*both_ways(alone, [x, weight], folder), **CLOSE)
    torch.testing.assert_close(*both_ways(of_sum, [x, y, weight], folder), **CLOSE)


class _OfSum(RMSNorm):
    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.of_sum(x, y)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize(("heads", "groups", "width", "length"), [(4, 4, 8, 5), (4, 2, 6, 3), (3, 1, 64, 17)])
def test_heads(normed: bool, heads: int, groups: int, width: int, length: int, folder: Path) -> None:
    q_norm, k_norm = (RMSNorm(width, 1e-6) if normed else torch.nn.Identity() for _ in range(2))
    turn = Rotary(width, 32, 10_000.0).at(slice(4, 4 + length))
    joined = numbers(2, length, (heads + 2 * groups) * width)
    torch.testing.assert_close(
        *both_ways(lambda x: turned_heads(x, q_norm, k_norm, turn, groups), [joined], folder), **CLOSE
    )


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("size", [1, 15, 16, 100])
def test_feed_forward(size: int, folder: Path) -> None:
    torch.testing.assert_close(*both_ways(squared_relu, [numbers(3, size) * 4], folder), **CLOSE)
    wide = (numbers(3, 2 * size) * 30).detach().requires_grad_()
    torch.testing.assert_close(*both_ways(swiglu, [wide], folder), **CLOSE)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("block", "first"), [(1, 1), (4, 1), (4, 9), (16, 33)])
def test_causal_softmax(block: int, first: int) -> None:
    size = first + block - 1
    x = (numbers(3, block, size) * 20).detach().requires_grad_()
    unseen = torch.full((block, size), float("-inf")).triu_(first)
    expected = torch.softmax(x * 0.3 + unseen, -1)
    grad = numbers(3, block, size, seed=3).detach()
    expected.backward(grad)
    p = ops.causal_softmax(x.detach().clone(), 0.3, block, first)
    torch.testing.assert_close(p, expected.detach(), **CLOSE)
    torch.testing.assert_close(ops.causal_softmax_back(grad.clone(), p, 0.3, block, first), x.grad, **CLOSE)


@pytest.mark.usefixtures("kernels")
def test_cross_entropy() -> None:
    z = (numbers(9, 1001) * 12).detach().requires_grad_()
    target = torch.arange(9) * 7
    expected = F.cross_entropy(z, target, reduction="sum")
    expected.backward()
    slope = z.detach().clone()
    assert ops.cross_entropy(slope, target) == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(slope, z.grad, **CLOSE)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("target", [-1, 40])
def test_a_target_that_is_none_is_refused(target: int) -> None:
    with pytest.raises(IndexError, match="among 40 logits"):
        ops.cross_entropy(torch.zeros(2, 40), torch.tensor([0, target]))


@pytest.mark.usefixtures("kernels")
def test_extremes_come_out_as_in_torch() -> None:
    """Probabilities of nothing, one certainty, and what is no number: it must reach the guard, not vanish."""
    far = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]])
    nats = F.cross_entropy(far, torch.tensor([1, 2]), reduction="sum").item()
    assert ops.cross_entropy(far.clone(), torch.tensor([1, 2])) == pytest.approx(nats)
    for bad in (float("nan"), float("inf")):
        z = torch.zeros(2, 40)
        z[1, 3] = bad
        assert not torch.isfinite(torch.tensor(ops.cross_entropy(z, torch.tensor([0, 0]))))
        assert z[0].isfinite().all()
        assert z[1].isnan().any()
        x = torch.zeros(2, 40)
        x[1, 3] = bad
        assert not ops.norm(x, None, torch.ones(40), 1e-6)[1][1].isfinite().all()
        assert not ops.squared_relu(x).isfinite().all()
        assert not ops.swiglu(x).isfinite().all()


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("mlp", ["swiglu", "relu2"])
def test_a_model_learns_the_same(mlp: Mlp) -> None:
    config = TransformerConfig(97, 160, 32, 2, 4, 2, 64, mlp=mlp)
    model = build(config)
    initialise(model, 1)
    ids = torch.randint(0, 97, (3, 161), generator=torch.Generator().manual_seed(5))

    def learned() -> list[Tensor]:
        model.zero_grad()
        loss = model.loss_sum(ids[:, :-1], ids[:, 1:]) / ids.numel()
        loss.backward()
        return [loss.detach()] + [parameter.grad for parameter in model.parameters()]

    first, again = learned(), learned()
    assert all(map(torch.equal, first, again))
    ops.unload()
    torch.testing.assert_close(first, learned(), rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("kernels")
def test_what_does_not_fit_is_left_to_torch() -> None:
    x = torch.zeros(4, 6)
    assert ops.fits(x)
    assert not ops.fits(x.double())
    assert not ops.fits(x[:, 1:])
    assert not ops.fits(x.to("meta"))
    torch.set_num_threads(2)
    assert not ops.fits(x)
    torch.set_num_threads(1)
    ops.unload()
    assert not ops.fits(x)
