"""litgpt (github.com/Lightning-AI/litgpt): its GPT class in the shape of its small Pythia models, and the step of its
pretrain command without Fabric, which on one device only adds to it. AdamW is fused."""

from __future__ import annotations

from importlib.metadata import version
from types import SimpleNamespace

import torch
from litgpt import GPT, Config
from litgpt.pretrain import initialize_weights
from litgpt.utils import chunked_cross_entropy
from torch import Tensor

from holdfast.bench.peers.loop import start, train


def main() -> None:
    """Train it as the config says."""
    course, _ = start()
    config = course.config
    shape = Config(
        block_size=config["context"],
        vocab_size=config["vocab"],
        padded_vocab_size=config["vocab"],
        n_layer=config["layers"],
        n_head=config["width"] // config["head_size"],
        n_embd=config["width"],
    )
    model = GPT(shape)
    initialize_weights(SimpleNamespace(strategy=None), model, shape.n_layer, shape.n_embd)
    model.max_seq_length = config["context"]
    rate = config["learning_rate"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.1, betas=(0.9, 0.95), fused=True)
    called = torch.compile(model) if config["compile"] else model

    def loss_of(inputs: Tensor, targets: Tensor) -> Tensor:
        return chunked_cross_entropy(called(inputs), targets, chunk_size=0)

    train(course, loss_of, optimizer, list(model.parameters()))
    course.end(model.eval(), sum(each.numel() for each in model.parameters()), litgpt=version("litgpt"))


if __name__ == "__main__":
    main()
