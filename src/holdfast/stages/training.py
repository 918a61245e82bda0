"""What pretraining and fine-tuning share: from a recipe and a feed to a state, a horizon and the one loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.base.draws import draw
from holdfast.base.records import Score
from holdfast.evals.bits_per_byte import bits_per_byte
from holdfast.evals.samples import write_samples
from holdfast.feed.feed import Feed
from holdfast.model.build import config_to_dict
from holdfast.optim.build import build_optimizer
from holdfast.stages import assemble
from holdfast.stages.horizon import Horizon
from holdfast.stages.run import Run
from holdfast.tokenizer.codec import Tokenizer
from holdfast.train.loop import Cadence, Training, train
from holdfast.train.settings import TrainSettings
from holdfast.train.state import RunState
from holdfast.train.step import batch_loss
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import digests


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training stage as data: what makes it differ from the others.

    start: puts the first weights into a freshly built model; used only when there is no checkpoint to resume.
    """

    name: str
    settings: TrainSettings
    model: nn.Module
    config: Any
    tokenizer: Tokenizer
    feed: Feed
    held_out: Feed
    start: Callable[[nn.Module], None]
    sample_prompts: Sequence[str]
