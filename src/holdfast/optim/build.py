"""From settings to the optimizer of a model: one interface, whatever parts are inside."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from holdfast.optim.adamw import AdamW
from holdfast.optim.groups import group
from holdfast.optim.muon import Muon


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """How gradients become steps.

    kind:                 "adamw" for every parameter; "muon" for the matrices inside the layers, AdamW for the rest.
    learning_rate:        highest rate of AdamW. matrix_learning_rate: highest rate of Muon.
    weight_decay:         decoupled, times the rate; embeddings, norms and biases do not decay.
    betas, epsilon:       AdamW's. momentum: Muon's.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 1e-3
    matrix_learning_rate: float = 0.02
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-8
    momentum: float = 0.95

    def __post_init__(self) -> None:
        if self.kind not in ("adamw", "muon"):
            raise ValueError(f"kind is adamw or muon, not {self.kind!r}")
        for name in ("learning_rate", "matrix_learning_rate", "weight_decay", "epsilon"):
            if not (value := getattr(self, name)) >= 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        for value in (*self.betas, self.momentum):
            if not 0 <= value < 1:
                raise ValueError(f"betas and momentum must be at least 0 and below 1, not {value}")


class Optimizer:
    """Steps the parameters of a model. Its state exists from the start, so it can be saved before the first step.

    only: the names of those that it steps; None: all.
    """

    def __init__(self, model: nn.Module, config: OptimizerConfig, only: Container[str] | None = None) -> None:
        groups = group(model) if only is None else group(model).only(only)
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        decaying = groups.output if config.kind == "muon" else groups.hidden | groups.output
        self._adamw = [
            AdamW(parameters, config.learning_rate, decay, config.betas, config.epsilon)
            for parameters, decay in ((decaying, config.weight_decay), (groups.steady, 0.0))
            if parameters
        ]
        self.steps = 0
        self._muon = None
        if config.kind == "muon" and groups.hidden:
            self._muon = Muon(groups.hidden, config.matrix_learning_rate, config.weight_decay, config.momentum)

    @torch.no_grad()
    def step(self, lr_scale: float) -> None:
        """Move the weights by their gradients, at `lr_scale` times each part's learning rate."""
        self.steps += 1
        for adamw in self._adamw:
            adamw.step(lr_scale)
        if self._muon is not None:
            self._muon.step(lr_scale)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def state_tensors(self) -> dict[str, Tensor]:
        """The live state as "<parameter>.<slot>": exp_avg and exp_avg_sq of AdamW, momentum of Muon."""
        tensors: dict[str, Tensor] = {}
        for adamw in self._adamw:
            tensors |= adamw.state_tensors()
        return tensors if self._muon is None else tensors | self._muon.state_tensors()

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Become a state that `state_tensors` gave. Raises ValueError, and changes nothing, when it is of another
        model or another kind of optimizer."""
        load_tensors(self.state_tensors(), tensors)

    def state_scalars(self) -> dict[str, Any]:
        """The rest of the state, as JSON values."""
        return {"steps": self.steps}

    def load_state_scalars(self, scalars: dict[str, Any]) -> None:
        """Become a state that `state_scalars` gave. Raises ValueError, and changes nothing, for anything else."""
        steps = scalars.get("steps")
        if scalars.keys() != {"steps"} or type(steps) is not int or steps < 0:
            raise ValueError("the optimizer's count of steps is missing, or not all there is")
        self.steps = steps
        for adamw in self._adamw:
            adamw.steps = steps  # the correction of the early steps depends on it


def build_optimizer(model: nn.Module, config: OptimizerConfig, only: Container[str] | None = None) -> Optimizer:
    """The optimizer of a model's trainable parameters (`only` those of these names), as they are now: build it after
    the model is on its device."""
    return Optimizer(model, config, only)


@torch.no_grad()
def load_tensors(own: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Copy a state into the live one. Raises ValueError, and changes nothing, when it is not of the same kind."""
    odd = [name for name in own.keys() | tensors.keys() if _kind(own, name) != _kind(tensors, name)]
    if odd:
        name = min(odd)
        raise ValueError(f"optimizer state {name} is {_kind(tensors, name)} there and {_kind(own, name)} here")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def _kind(tensors: dict[str, Tensor], name: str) -> str:
    return f"{tuple(tensors[name].shape)} of {tensors[name].dtype}" if name in tensors else "nothing"
