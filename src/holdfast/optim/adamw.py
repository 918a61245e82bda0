"""AdamW (Loshchilov & Hutter 2019) with its state under stable names and its rate given from outside at each step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class AdamW:
    """A thin case around torch's fused AdamW for one set of named parameters.

    learning_rate is scaled by what `step` is given; weight_decay is decoupled and scaled by the rate of the step.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float],
        epsilon: float,
    ) -> None:
        self.parameters = dict(parameters)
        self.learning_rate = learning_rate
        self.steps = 0
        self._torch = torch.optim.AdamW(
            list(self.parameters.values()), learning_rate, betas, epsilon, weight_decay, fused=True
        )
        for parameter in self.parameters.values():  # torch would do so at the first step; a checkpoint may come before
            self._torch.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }

    def step(self, scale: float) -> None:
        """One update at `scale` times the learning rate. Parameters without a gradient stay as they are."""
        self._torch.param_groups[0]["lr"] = self.learning_rate * scale
        self._torch.step()
        self.steps += 1

    def state_tensors(self) -> dict[str, Tensor]:
        """The live first and second moments, as "<parameter>.exp_avg" and "<parameter>.exp_avg_sq"."""
        return {
            f"{name}.{slot}": self._torch.state[parameter][slot]
            for name, parameter in self.parameters.items()
            for slot in ("exp_avg", "exp_avg_sq")
        }

    def set_steps(self, steps: int) -> None:
        """How many updates the moments have seen, which their correction of the early steps depends on."""
        self.steps = steps
        for parameter in self.parameters.values():
            self._torch.state[parameter]["step"].fill_(steps)
