"""nanochat (github.com/karpathy/nanochat): its model, its Muon with AdamW, and the step of its base_train.py.

Its window pattern is for Flash Attention 3; without that every layer sees all, as its documentation advises. Its rule
for small batches lowers all rates by the root of the batch over 0.5M tokens, which at a few thousand tokens leaves
hardly any rate; `learning_rate` is the factor in the place of that rule.
"""

from __future__ import annotations

import math
import os

import torch

from holdfast.bench.peers.loop import start

WARMUP, WARMDOWN, LEAST = 0.03, 0.65, 0.05  # parts of the training, and of the rate; the last two are its own
WEIGHT_DECAY = 0.28 * math.sqrt(4096 / 524288)  # its own, by its own rule for the batch


def factor(progress: float) -> float:
    """Of the rate: a short rise, level, then down in a line."""
    if progress < WARMUP:
        return max(progress, 1e-3) / WARMUP
    if progress <= 1 - WARMDOWN:
        return 1.0
    left = (1 - progress) / WARMDOWN
    return left + (1 - left) * LEAST


def main() -> None:
    """Train it as the config says. Eager, its optimizer is not compiled either."""
    os.environ.setdefault("NANOCHAT_DTYPE", "float32")
    course, theirs = start("nanochat.gpt")
    config = course.config
    if not config["compile"]:
        torch.compiler.set_stance("force_eager")
    heads = config["width"] // config["head_size"]
    shape = theirs.GPTConfig(
        sequence_len=config["context"],
        vocab_size=config["vocab"],
        n_layer=config["layers"],
        n_head=heads,
        n_kv_head=heads,
        n_embd=config["width"],
        window_pattern="L",
    )
    with torch.device("meta"):
        model = theirs.GPT(shape)
    model.to_empty(device="cpu")
    model.init_weights()
    optimizer = model.setup_optimizer(0.008, 0.3, 0.02, WEIGHT_DECAY, 0.5)
    called = torch.compile(model, dynamic=False) if config["compile"] else model
    while not course.over:
        scale = factor(course.progress) * config["learning_rate"]
        loss = called(*course.batch())
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * scale
            if group["kind"] == "muon":
                group["weight_decay"] = WEIGHT_DECAY * 0.5 * (1 + math.cos(math.pi * course.progress))
        optimizer.step()
        model.zero_grad(set_to_none=True)
        course.stepped(float(loss.detach()))
    course.end(model.eval(), sum(each.numel() for each in model.parameters()))


if __name__ == "__main__":
    main()
