"""What is GPT-2's own."""

from __future__ import annotations

import torch

from holdfast.model.build import build, initialise
from holdfast.model.config import GPT2Config


@torch.no_grad()
def test_learned_positions_start_again_with_every_segment() -> None:
    model = build(GPT2Config(vocab_size=16, context_length=12, hidden_size=16, num_layers=1, num_heads=2))
    initialise(model, 0)
    ids = torch.tensor([[3, 1, 4, 1, 5, 3, 1, 4, 1, 5]])
    logits = model(ids, segments=torch.tensor([[0] * 5 + [1] * 5]))
    torch.testing.assert_close(logits[:, :5], logits[:, 5:])
