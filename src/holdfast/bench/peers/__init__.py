"""Other people's trainers, each behind one small file of our own: the same tokens, the same steps, the same figures.

Nothing of theirs is here. transformers and litgpt are installed packages; nanoGPT and nanochat are folders that
`--peer NAME=DIR` names. Every file is a program, `python -m holdfast.bench.peers.NAME CONFIG`, see `loop`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Peer:
    """A trainer. module: its file here. checkout: whether it needs a folder.

    tuned: how it trains where its score counts, within what its authors do. Rates and batches are around what
           their own scripts have; the rate for a batch of 0.5M tokens is not the one for one of 4,096.
    """

    module: str
    checkout: bool = False
    compile: bool = False
    tuned: Mapping[str, Any] = field(default_factory=dict)


TRANSFORMERS = {"learning_rate": 2e-3, "rows": 4}  # GPT-2's class on AdamW; its Trainer's own 5e-5 is for fine-tuning
LITGPT = {"learning_rate": 2e-3, "rows": 4}  # its pretrain command has 4e-4 for 0.5M tokens of a larger model
NANOGPT = {"learning_rate": 2e-3, "rows": 4}  # its small character model has 1e-3 at 16k tokens a step
NANOCHAT = {"learning_rate": 1.0, "rows": 4}  # a factor on its own rates, the batch rule of its script left out

PEERS: dict[str, Peer] = {
    "transformers": Peer("hf_trainer", tuned=TRANSFORMERS),
    "transformers-compiled": Peer("hf_trainer", compile=True, tuned=TRANSFORMERS),
    "litgpt": Peer("litgpt_gpt", tuned=LITGPT),
    "litgpt-compiled": Peer("litgpt_gpt", compile=True, tuned=LITGPT),
    "nanogpt": Peer("nanogpt", checkout=True, tuned=NANOGPT),
    "nanogpt-compiled": Peer("nanogpt", checkout=True, compile=True, tuned=NANOGPT),
    "nanochat": Peer("nanochat_gpt", checkout=True, tuned=NANOCHAT),
    "nanochat-compiled": Peer("nanochat_gpt", checkout=True, compile=True, tuned=NANOCHAT),
}


def checkout_of(name: str) -> str:
    """Under which name `--peer` gives the folder of a peer."""
    return name.removesuffix("-compiled")
