"""A model, an optimizer and a feed small enough to follow, and a training of them that a test changes as it likes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.base.records import Batch, Score
from holdfast.train.loop import Training
from holdfast.train.saving import Cadence, Saves
from holdfast.train.signals import StopFlag
from holdfast.train.state import RunState
from holdfast.vault.store import Policy, Vault

VOCAB, ROWS, LENGTH = 7, 4, 3
Records = list[dict[str, Any]]


class Toy(nn.Module):
    """Predicts the next id from the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(VOCAB, VOCAB))

    def loss_sum(self, inputs: Tensor, targets: Tensor, segments: Tensor | None) -> Tensor:
        return nn.functional.cross_entropy(
            self.table[inputs].flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum"
        )


class Momentum:
    """Plain gradient descent with something to remember."""

    def __init__(self, model: Toy) -> None:
        self.table = model.table
        self.velocity = torch.zeros_like(model.table)
        self.steps = 0

    def zero_grad(self) -> None:
        self.table.grad = None

    def step(self, lr_scale: float) -> None:
        assert self.table.grad is not None
        self.velocity.mul_(0.9).add_(self.table.grad)
        self.table.data.sub_(self.velocity, alpha=0.5 * lr_scale)
        self.steps += 1

    def state_tensors(self) -> dict[str, Tensor]:
        return {"table.velocity": self.velocity}

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        self.velocity.copy_(tensors["table.velocity"])

    def state_scalars(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_scalars(self, scalars: dict[str, Any]) -> None:
        self.steps = scalars["steps"]


class Ramp:
    """A feed of counting rows; batches named in `empty` have nothing to learn."""

    def __init__(self, empty: Sequence[int] = ()) -> None:
        self.empty = set(empty)
        self.asked: list[int] = []

    def batch_at(self, index: int) -> Batch:
        self.asked.append(index)
        start = np.arange(ROWS)[:, None] + np.arange(LENGTH + 1)[None] * (1 + index % 3)
        ids = (start % VOCAB).astype(np.int64)
        targets = np.full_like(ids[:, 1:], -1) if index in self.empty else ids[:, 1:]
        return Batch(ids[:, :-1], targets)


class Notebook:
    """A journal in memory. `at`: step -> what to do as soon as that step was recorded."""

    def __init__(self, **at: Any) -> None:
        self.records: Records = []
        self.at = {int(name.removeprefix("step_")): act for name, act in at.items()}

    def __call__(self, kind: str, **fields: Any) -> None:
        self.records.append({"kind": kind, **fields})
        if kind == "step" and fields["step"] in self.at:
            self.at[fields["step"]]()

    def of(self, kind: str) -> Records:
        return [record for record in self.records if record["kind"] == kind]

    def events(self, name: str) -> list[str]:
        return [record.get("text", "") for record in self.of("event") if record["event"] == name]

    def saved(self) -> list[tuple[int, list[str]]]:
        return [(record["step"], record["tags"]) for record in self.of("checkpoint")]

    def before(self, kind: str, step: int) -> Records:
        """All that was recorded before the first record of `kind` at `step`."""
        found = [record["kind"] == kind and record.get("step") == step for record in self.records]
        return self.records[: found.index(True)]


def fresh(micro: int = ROWS) -> RunState:
    model = Toy()
    return RunState(model, Momentum(model), "toy", seed=3, micro_batch_rows=micro, precision="fp32")


def cadence(**changes: Any) -> Cadence:
    values: dict[str, Any] = {
        "save_steps": None, "save_seconds": None, "evaluate_steps": None, "sample_steps": None
    }  # fmt: skip
    return Cadence(**values | changes)


def score(value: float) -> list[Score]:
    return [Score("validation", "bits_per_byte", value, 1, None, None)]


def training(folder: Path, record: Any, **changes: Any) -> Training:
    values: dict[str, Any] = {
        "feed": Ramp(),
        "vault": Vault(folder, 1),
        "policy": Policy(),
        "total_steps": 10,
        "learning_rate": 0.5,
        "multiplier": lambda step: 1 - step / 20,
        "clip": 1.0,
        "cadence": cadence(save_steps=4),
        "evaluate": lambda: score(2.0),
        "sample": lambda: [{"text": "hello"}],
        "record": record,
        "sync": lambda: None,
        "manifest": {"fingerprint": "f", "tokenizer_fingerprint": "t", "model": {}, "horizon": 10},
        "stop": StopFlag(),
    }
    return Training(**values | changes)


def resumed(folder: Path, incarnation: int = 2) -> tuple[RunState, dict[str, Any]]:
    """A fresh state taken to the newest checkpoint of a folder, and what a training has to know to go on with it."""
    vault = Vault(folder, incarnation)
    checkpoint = vault.newest_valid()
    assert checkpoint is not None
    state = fresh()
    state.restore(checkpoint.manifest, vault.load(checkpoint))
    return state, {"vault": vault, "resumed_from": checkpoint}


def steps_of(folder: Path) -> list[int]:
    return [checkpoint.step for checkpoint in Vault(folder).checkpoints()]


def saves_of(folder: Path, notes: Notebook, state: RunState, **changes: Any) -> Saves:
    return Saves(Vault(folder, 1), changes.pop("policy", Policy()), cadence(**changes), notes, lambda: None, state)


def weights(state: RunState) -> Tensor:
    return state.model.state_dict()["table"]


def same(one: RunState, other: RunState) -> bool:
    """Whether two states are equal to the bit, optimizer and counters included."""
    velocities = (one.optimizer.state_tensors(), other.optimizer.state_tensors())
    return (
        torch.equal(weights(one), weights(other))
        and torch.equal(velocities[0]["table.velocity"], velocities[1]["table.velocity"])
        and (one.step, one.position, one.tokens) == (other.step, other.position, other.tokens)
        and (one.guard, one.best) == (other.guard, other.best)
        and one.optimizer.state_scalars() == other.optimizer.state_scalars()
    )
