"""nanoGPT (github.com/karpathy/nanoGPT): its model and optimizer, and the step of its train.py in float32.

Its train.py reads no clock and has no CPU form of fused AdamW; here AdamW is fused, which is faster, and the schedule
is its own, by the clock.
"""

from __future__ import annotations

import torch

from holdfast.bench.peers.loop import start, train


def main() -> None:
    """Train it as the config says."""
    course, theirs = start("model")
    config = course.config
    shape = theirs.GPTConfig(
        block_size=config["context"],
        vocab_size=config["vocab"],
        n_layer=config["layers"],
        n_head=config["width"] // config["head_size"],
        n_embd=config["width"],
        dropout=0.0,
        bias=False,
    )
    model = theirs.GPT(shape)
    groups = model.configure_optimizers(0.1, config["learning_rate"], (0.9, 0.95), "cpu").param_groups
    wanted = [{key: group[key] for key in ("params", "weight_decay")} for group in groups]
    optimizer = torch.optim.AdamW(wanted, lr=config["learning_rate"], betas=(0.9, 0.95), fused=True)
    called = torch.compile(model) if config["compile"] else model
    train(course, lambda inputs, targets: called(inputs, targets)[1], optimizer, list(model.parameters()))
    # without targets it gives the last position only; with them, all
    course.end(lambda ids: model.eval()(ids, ids)[0], sum(each.numel() for each in model.parameters()))


if __name__ == "__main__":
    main()
