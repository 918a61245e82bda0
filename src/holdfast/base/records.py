"""The nouns that cross rooms. Frozen, small, and free of torch: a room hands one to the next and keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Document:
    """One text with its provenance. `id` is unique within a corpus and stable between builds of the same input."""

    id: str
    text: str
    meta: Mapping[str, Any] = field(default_factory=dict)


class Message(NamedTuple):
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Alternating messages, the user first (an optional system message before), the assistant last.

    `meta` may carry what makes it a question that can be marked: `family`, `answer` and `chance` (the score of a
    guesser who knows the format only).
    """

    id: str
    messages: tuple[Message, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    inputs:   (B, T) int64 token ids.
    targets:  (B, T) int64, the id that follows each input; -1 where nothing is trained.
    segments: (B, T) int64 or None. Equal numbers mark one document or conversation inside a row; attention never
              crosses from one number to another. None: the whole row is one segment.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    segments: NDArray[np.int64] | None = None

    @property
    def trained_tokens(self) -> int:
        """How many targets carry loss."""
        return int((self.targets >= 0).sum())

    def rows(self, start: int, stop: int) -> Batch:
        """The micro-batch of rows start..stop."""
        segments = None if self.segments is None else self.segments[start:stop]
        return Batch(self.inputs[start:stop], self.targets[start:stop], segments)


@dataclass(frozen=True, slots=True)
class Report:
    """What a step measured before anything was changed by it. Plain numbers: the guard needs no tensor."""

    step: int
    loss: float  # mean nats per trained token
    grad_norm: float  # global L2 norm before clipping
    tokens: int  # input tokens in the batch
    trained_tokens: int
    micro_batch_rows: int


@dataclass(frozen=True, slots=True)
class Score:
    """One evaluated number, never without its sample size, its seed and what guessing would score."""

    name: str
    metric: str
    value: float
    n: int
    seed: int | None
    baseline: float | None
    low: float | None = None
    high: float | None = None
    stage: str | None = None
    step: int | None = None
