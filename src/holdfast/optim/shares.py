"""The optimizer's step dealt out to several processes, each of which steps whole parameters and no other's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from holdfast.optim.build import Optimizer, OptimizerConfig, load_tensors
from holdfast.optim.groups import group
from holdfast.optim.muon import ITERATIONS

ELEMENTWISE = 500  # operations of a matrix product in the time that AdamW takes for one number, which it waits for


def deal(model: nn.Module, config: OptimizerConfig, count: int) -> list[frozenset[str]]:
    """The names of a model's trainable parameters in `count` shares that take about the same time to step.

    The costliest first, always to whoever has least to do (Graham 1969). The same shares wherever it is asked for.
    """
    groups = group(model)
    costs = {
        name: _cost(parameter, name in groups.hidden and config.kind == "muon")
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    shares: list[set[str]] = [set() for _ in range(count)]
    loads = [0] * count
    for name in sorted(costs, key=lambda name: -costs[name]):
        idlest = loads.index(min(loads))
        shares[idlest].add(name)
        loads[idlest] += costs[name]
    return [frozenset(share) for share in shares]


def _cost(parameter: Tensor, orthogonal: bool) -> int:
    """About how many operations a step of it takes. orthogonal: by Newton-Schulz."""
    if not orthogonal:
        return ELEMENTWISE * parameter.numel()
    short, long = sorted(parameter.shape)
    return ITERATIONS * (4 * short * short * long + 2 * short**3) + ELEMENTWISE * parameter.numel()


class Dealt:
    """The optimizer of all parameters, of which this process steps one part and other processes the others.

    parts: an optimizer for each process, of which all see the same state. mine: the numbers of those that this process
           steps, in turn.
    meet:  returns when all processes are there; none moves a weight before, nor reads one until all have moved theirs.
    """

    def __init__(self, parts: Sequence[Optimizer], mine: Sequence[int], meet: Callable[[], None]) -> None:
        self._parts, self._mine, self._meet = parts, [parts[number] for number in mine], meet

    def step(self, lr_scale: float) -> None:
        """Move all weights by their gradients; this process those of its part."""
        self._meet()
        for part in self._mine:
            part.step(lr_scale)
        self._meet()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._mine[0].zero_grad()  # of all parameters

    def state_tensors(self) -> dict[str, Tensor]:
        """The live state of all parts, see `Optimizer`."""
        return {name: tensor for part in self._parts for name, tensor in part.state_tensors().items()}

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Become a state that `state_tensors` gave, in however many parts. Raises ValueError, and changes nothing, when
        it is of another model or another kind of optimizer."""
        load_tensors(self.state_tensors(), tensors)

    def state_scalars(self) -> dict[str, Any]:
        """The rest of the state, as JSON values: the same for each part, as all of them take every step."""
        return self._mine[0].state_scalars()

    def load_state_scalars(self, scalars: dict[str, Any]) -> None:
        """Become a state that `state_scalars` gave. Raises ValueError, and changes nothing, for anything else."""
        for part in self._mine:
            part.load_state_scalars(scalars)
