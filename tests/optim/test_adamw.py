"""AdamW against the paper's formula."""

from __future__ import annotations

import torch
from torch import nn

from holdfast.optim.adamw import AdamW


def test_updates_are_the_papers() -> None:
    generator = torch.Generator().manual_seed(0)
    parameter = nn.Parameter(torch.randn(5, 3, generator=generator))
    expected, first, second = (
        parameter.detach().clone().double(),
        torch.zeros(5, 3).double(),
        torch.zeros(5, 3).double(),
    )
    adamw = AdamW({"w": parameter}, learning_rate=0.1, weight_decay=0.2, betas=(0.8, 0.9), epsilon=1e-6)
    for step, scale in enumerate((0.5, 1.0, 0.3), start=1):
        gradient = torch.randn(5, 3, generator=generator)
        parameter.grad = gradient.clone()
        adamw.step(scale)
        rate = 0.1 * scale
        first = 0.8 * first + 0.2 * gradient
        second = 0.9 * second + 0.1 * gradient.double() ** 2
        expected -= rate * 0.2 * expected
        expected -= rate * (first / (1 - 0.8**step)) / ((second / (1 - 0.9**step)).sqrt() + 1e-6)
        torch.testing.assert_close(parameter.detach().double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(adamw.state_tensors()["w.exp_avg"].double(), first, rtol=1e-5, atol=1e-6)
