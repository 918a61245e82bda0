"""Bits per byte of held-out text, by one function for everybody. Runs in any Python that has torch and numpy.

    bits per byte = (sum of -ln p of every token of the text) / ln 2 / (bytes of UTF-8 of the text)

The text is whole documents that nobody trained on, cut into passages. Each is read with an empty context at its start,
the same for all; a vocabulary can only win by predicting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

NOTHING = -1  # a target that does not count
AT_ONCE = 8  # rows


def windows(passages: Sequence[Sequence[int]], start: int, context: int) -> NDArray[np.int32]:
    """(N, context + 1) ids: each passage behind the id `start`, cut into windows that overlap by one token. A window
    has its inputs in all columns but the last and its targets in all but the first; what is beyond a passage's end is
    NOTHING."""
    rows = []
    for ids in passages:
        whole = [start, *ids]
        for first in range(0, len(whole) - 1, context):
            piece = whole[first : first + context + 1]
            rows.append(piece + [NOTHING] * (context + 1 - len(piece)))
    return np.array(rows, dtype=np.int32).reshape(-1, context + 1)


def write(path: Path, rows: NDArray[np.int32], text_bytes: int) -> None:
    """Keep windows and the bytes of their text."""
    np.savez(path, rows=rows, text_bytes=text_bytes)


@torch.inference_mode()
def bits_per_byte(logits: Callable[[Tensor], Tensor], path: Path) -> float:
    """Of a model on the windows that `write` kept. logits: (B, T) int64 -> (B, T, V), of what follows each token."""
    with np.load(path) as kept:
        rows, text_bytes = torch.from_numpy(kept["rows"].astype(np.int64)), int(kept["text_bytes"])
    nats = 0.0
    for part in rows.split(AT_ONCE):
        inputs, targets = part[:, :-1].clamp(min=0), part[:, 1:]
        found = logits(inputs).float().flatten(0, 1)
        nats += float(functional.cross_entropy(found, targets.flatten(), ignore_index=NOTHING, reduction="sum"))
    return nats / math.log(2) / text_bytes
