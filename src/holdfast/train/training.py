"""All that a stage hands to the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.base.records import Score
from holdfast.train.ahead import Batches
from holdfast.train.lookout import Lookout
from holdfast.train.sabotage import Sabotage
from holdfast.train.saving import Cadence, Record
from holdfast.train.settings import GuardSettings
from holdfast.train.signals import StopFlag
from holdfast.train.state import RunState
from holdfast.train.sync import Alone, Ranks
from holdfast.vault.store import Checkpoint, Policy, Vault


@dataclass(frozen=True, slots=True)
class Training:
    """All that a stage hands to the loop: where batches come from, how long, how fast, and what to call when due.

    multiplier:   step -> factor on the learning rates, a pure function of the stored horizon.
    evaluate:     measures the validation scores of the model as it stands; the first one decides what is best.
    sample:       writes a few texts with the model as it stands.
    record, sync: append to the journal (and so to everything that watches it), and make it durable.
    resumed_from: the checkpoint that `state` was read from.
    journaled:    step -> what the journal knows of it, for steps that an earlier start made and this one makes again.
    followed:     step -> what the journal of an earlier run knows of it. Given, the guard is not asked: every step is
                  made with the batch, the micro-batch, the number format and the rate of that one.
    rules:        what the guard goes by.
    ranks:        the processes that train together; the first of them evaluates, samples, saves and records.
    """

    feed: Batches
    vault: Vault
    policy: Policy
    total_steps: int
    learning_rate: float
    multiplier: Callable[[int], float]
    clip: float | None
    cadence: Cadence
    evaluate: Callable[[], Sequence[Score]]
    sample: Callable[[], Sequence[dict[str, Any]]]
    record: Record
    sync: Callable[[], None]
    manifest: dict[str, Any]
    stop: StopFlag
    resumed_from: Checkpoint | None = None
    journaled: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    followed: Mapping[int, Mapping[str, Any]] | None = None
    rules: GuardSettings = field(default_factory=GuardSettings)
    ranks: Ranks = field(default_factory=Alone)
    sabotage: Sabotage = field(default_factory=Sabotage)
    lookout: Lookout = field(default_factory=Lookout)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that evaluates, samples, saves and records."""
        return self.ranks.rank == 0

    def decide(self, state: RunState, verdict: str, reason: str, **facts: Any) -> None:
        """Write a decision down, before it takes effect."""
        self.record("decision", stage=state.stage, step=state.step, verdict=verdict, reason=reason,
                    position=state.position, **facts)  # fmt: skip

    def fields(self, state: RunState) -> dict[str, Any]:
        """What a checkpoint of `state` stores in its manifest."""
        exactness = self.manifest.get("exactness", {}) | {"precision": state.precision}
        return self.manifest | state.fields() | {"exactness": exactness}
