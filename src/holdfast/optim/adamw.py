"""AdamW (Loshchilov & Hutter 2019) with its state under stable names and its rate given from outside at each step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class AdamW:
    """Updates named parameters.

    learning_rate is scaled by what `step` is given; weight_decay is decoupled and scaled by the rate of the step.
    It calls torch's fused kernel itself: the class around that kernel loads torch's compiler when it is made, which
    takes longer than a small model's first hundred steps.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float],
        epsilon: float,
    ) -> None:
        self.parameters: dict[str, Tensor] = dict(parameters)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.betas = betas
        self.epsilon = epsilon
        self.steps = 0
        self._first = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}
        self._second = {name: torch.zeros_like(parameter) for name, parameter in self.parameters.items()}

    def step(self, scale: float) -> None:
        """One update at `scale` times the learning rate. Parameters without a gradient stay as they are."""
        grads = {name: parameter.grad for name, parameter in self.parameters.items() if parameter.grad is not None}
        if not grads:
            return
        self.steps += 1
        count = torch.tensor(float(self.steps), device=next(iter(grads.values())).device)
        torch._fused_adamw_(
            [self.parameters[name] for name in grads],
            list(grads.values()),
            [self._first[name] for name in grads],
            [self._second[name] for name in grads],
            [],
            [count] * len(grads),
            lr=self.learning_rate * scale,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )

    def state_tensors(self) -> dict[str, Tensor]:
        """The live first and second moments, as "<parameter>.exp_avg" and "<parameter>.exp_avg_sq"."""
        first = {f"{name}.exp_avg": tensor for name, tensor in self._first.items()}
        return first | {f"{name}.exp_avg_sq": tensor for name, tensor in self._second.items()}
