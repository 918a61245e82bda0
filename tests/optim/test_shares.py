"""Shares of the optimizer's step: everything once, alike in cost, and together the same as one optimizer."""

import pytest
import torch
from torch import nn

from holdfast.model.build import build, initialise
from holdfast.model.sizes import size_config
from holdfast.optim.build import OptimizerConfig, build_optimizer
from holdfast.optim.groups import group
from holdfast.optim.shares import Dealt, deal

MUON, ADAMW = OptimizerConfig("muon"), OptimizerConfig("adamw")


def model(**changes: int) -> nn.Module:
    made = build(size_config("tiny", 256, 32, **{"hidden_size": 64, "num_layers": 4, **changes}))
    initialise(made, 3)
    return made


@pytest.mark.parametrize("config", [MUON, ADAMW])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_parameter_is_in_one_share_and_all_of_them_always_are(config: OptimizerConfig, count: int) -> None:
    shares = deal(model(), config, count)
    names = [name for share in shares for name in share]
    assert sorted(names) == sorted(name for name, _ in model().named_parameters())
    assert len(shares) == count
    assert shares == deal(model(), config, count)


def test_matrices_that_take_time_are_spread_evenly() -> None:
    hidden = group(model()).hidden
    for shape in {tuple(matrix.shape) for matrix in hidden.values()}:
        counts = [
            sum(tuple(hidden[name].shape) == shape for name in share if name in hidden)
            for share in deal(model(), MUON, 2)
        ]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("config", [MUON, ADAMW])
def test_the_shares_together_are_the_optimizer(config: OptimizerConfig) -> None:
    whole, dealt = model(), model()
    one = build_optimizer(whole, config)
    met: list[int] = []
    parts = [build_optimizer(dealt, config, share) for share in deal(dealt, config, 2)]
    ranks = [Dealt(parts, [rank], lambda: met.append(1)) for rank in range(2)]
    for step in range(3):
        chance = torch.Generator().manual_seed(step)
        for ours, theirs in zip(whole.parameters(), dealt.parameters(), strict=True):
            ours.grad = torch.randn(ours.shape, generator=chance)
            theirs.grad = ours.grad.clone()
        one.step(0.7)
        for rank in ranks:
            rank.step(0.7)
    assert len(met) == 3 * 2 * 2, "before and after each step of each rank"
    assert ranks[0].state_scalars() == ranks[1].state_scalars() == one.state_scalars() == {"steps": 3}
    assert ranks[0].state_tensors().keys() == one.state_tensors().keys()
    for name, tensor in one.state_tensors().items():
        torch.testing.assert_close(ranks[1].state_tensors()[name], tensor)
    for ours, theirs in zip(whole.parameters(), dealt.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_state_goes_from_one_to_many_and_back() -> None:
    one, many = model(), model()
    whole = build_optimizer(one, MUON)
    for number, tensor in enumerate(whole.state_tensors().values()):
        tensor.fill_(number)
    whole.load_state_scalars({"steps": 9})
    dealt = Dealt([build_optimizer(many, MUON, share) for share in deal(many, MUON, 3)], [1], lambda: None)
    dealt.load_state_tensors(whole.state_tensors())
    dealt.load_state_scalars(whole.state_scalars())
    assert all(torch.equal(dealt.state_tensors()[name], tensor) for name, tensor in whole.state_tensors().items())
    assert dealt.state_scalars() == {"steps": 9}
    with pytest.raises(ValueError, match="is nothing there"):
        dealt.load_state_tensors({})
    with pytest.raises(ValueError, match="count of steps"):
        dealt.load_state_scalars({"steps": -1})
    dealt.zero_grad()
    assert all(parameter.grad is None for parameter in many.parameters())
