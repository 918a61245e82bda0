"""Runs to pull the plug on: the real journal, vault and saving, with a model of two tensors in place of training."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.base.faults import DiskFault
from holdfast.disk import fileops
from holdfast.journal.journal import Journal
from holdfast.train.saving import Cadence, Saves
from holdfast.train.state import RunState
from holdfast.vault.checkpoint import directory_name
from holdfast.vault.retention import Retention
from holdfast.vault.store import Checkpoint, Policy, Vault
from holdfast.vault.verify import digest

from ...disk.watchers import Killed, Nth
from .trace import Recorder

STAGE = "pretrain"
POLICY = Policy(newest=2, best=1)
CADENCE = Cadence(None, None, None, None, background=False)


class Model(nn.Module):
    """A table of more than a page, and a few numbers more."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(33, 40))
        self.bias = nn.Parameter(torch.zeros(40))


class Memory:
    """The state of an optimizer of this model."""

    def __init__(self, model: Model) -> None:
        self.mean = torch.zeros_like(model.table.data)

    def zero_grad(self) -> None: ...

    def step(self, lr_scale: float) -> None: ...

    def state_tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean}

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        self.mean.copy_(tensors["mean"])

    def state_scalars(self) -> dict[str, Any]:
        return {}

    def load_state_scalars(self, scalars: dict[str, Any]) -> None: ...


def fresh_state() -> RunState:
    model = Model()
    return RunState(model, Memory(model), STAGE, seed=1, micro_batch_rows=1, precision="fp32")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a checkpoint must give back: hashes of its parts, its tokens, and the losses of all steps that led to it."""

    model: str
    optimizer: str
    tokens: int
    losses: tuple[float, ...]


@dataclass
class Scene:
    """A run directory, what happens to it, and what was saved under which name, in the order of the saves."""

    folder: Path
    recorder: Recorder
    saved: dict[str, Saved] = field(default_factory=dict)

    @property
    def stage(self) -> Path:
        return self.folder / STAGE


class _Vault(Vault):
    """The vault, overheard."""

    def __init__(self, scene: Scene, incarnation: int) -> None:
        super().__init__(scene.stage, incarnation)
        self.scene = scene
        self.losses: list[float] = []

    def newest_valid(self) -> Checkpoint | None:
        """The run goes on from what this finds; stopped at once, it would say that all is saved."""
        found = super().newest_valid()
        return found if found is None else self._relied_on(found)

    def commit(
        self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], fields: Mapping[str, Any], tags: Sequence[str]
    ) -> Checkpoint:
        parts = {part: digest(named) for part, named in tensors.items()}
        name = directory_name(step, self._own_incarnation())
        self.scene.saved[name] = Saved(**parts, tokens=fields["tokens"], losses=tuple(self.losses))
        return self._relied_on(super().commit(step, tensors, fields, tags))

    def adopt(self, checkpoint: Checkpoint, tags: Sequence[str]) -> Checkpoint:
        name = directory_name(checkpoint.step, self._own_incarnation())
        self.scene.saved[name] = self.scene.saved[checkpoint.path.name]
        return self._relied_on(super().adopt(checkpoint, tags))

    def mark(self, checkpoint: Checkpoint, tag: str, score: float | None = None) -> None:
        super().mark(checkpoint, tag, score)
        self.scene.recorder.say("marked", (checkpoint.path.name, tag))

    def retire(self, policy: Policy, *, dry: bool = False) -> Retention:
        planned = super().retire(policy, dry=True)
        self.scene.recorder.say("may go", planned.delete)
        self.scene.recorder.say("may be cut down", planned.demote)
        return super().retire(policy, dry=dry)

    def _relied_on(self, checkpoint: Checkpoint) -> Checkpoint:
        self.scene.recorder.say("saved", checkpoint.path.name)
        return checkpoint


class Start:
    """One start of a run, as the training stage makes it: from the newest valid checkpoint, or one gone back to."""

    def __init__(self, scene: Scene, back_to: int | None = None) -> None:
        self.scene = scene
        self.journal = Journal.open(scene.folder / "journal")
        self.vault = _Vault(scene, self.journal.incarnation)
        self.state = fresh_state()
        found = self.vault.newest_valid()
        if back_to is not None:
            found = next(each for each in self.vault.checkpoints() if each.step == back_to)
        if found is None:
            self.journal.append("event", event="stage_start", stage=STAGE)
        else:
            self._resume(found if back_to is None else self.vault.adopt(found, ["adopted"]))
        self.saves = Saves(self.vault, POLICY, CADENCE, self.journal.append, self._commit_journal, self.state)

    def _resume(self, found: Checkpoint) -> None:
        self.state.restore(found.manifest, self.vault.load(found))
        self.vault.losses = list(self.scene.saved[found.path.name].losses)
        self.journal.append("event", event="resume", stage=STAGE, step=self.state.step, checkpoint=found.path.name)

    def _commit_journal(self) -> None:
        self.journal.commit()
        self.scene.recorder.say("journaled", self.journal.path.relative_to(self.scene.folder).as_posix())

    def train(self, steps: int = 1) -> None:
        """Updates that leave numbers behind which no other step of any start leaves."""
        for _ in range(steps):
            self.state.step += 1
            self.state.tokens += 40
            loss = self.state.step + self.journal.incarnation / 1000
            numbers = torch.Generator().manual_seed(round(loss * 1000))
            for tensor in (*self.state.model.state_dict().values(), self.state.optimizer.state_tensors()["mean"]):
                tensor.normal_(generator=numbers)
            self.journal.append("step", stage=STAGE, step=self.state.step, loss=loss)
            self.vault.losses.append(loss)

    def save(self, *tags: str) -> None:
        """Save until it is saved, however often the disk refuses."""
        while self.saves.step < self.state.step:
            self.saves.start(self.state, self.state.fields(), list(tags))
            self.saves.drain()

    def mark(self, tag: str, score: float | None = None) -> None:
        """Find something out about what was saved last."""
        self.saves.mark(self.state.step, tag, score)
        self.saves.drain()


def long_run(scene: Scene) -> None:
    """Three starts: one that fills every tier and is killed; one that finds its newest checkpoint rotten; one that
    goes back to the best one."""
    with fileops.watched(scene.recorder):
        first = Start(scene)
        with closing(first.saves):
            for step, tag in enumerate(["milestone", "interval", "interval", "milestone", "interval", "interval"], 1):
                first.train(2)
                first.save(tag)
                if step in (2, 4):
                    first.mark("best", 3.0 - step / 10)
                if step == 3:
                    first.mark("healthy")
            first.train()
        newest = first.vault.checkpoints()[-1]
        scene.recorder.rot(newest.path / "model.safetensors", 4500)
        scene.recorder.say("rotten", newest.path.name)
        second = Start(scene)
        with closing(second.saves):
            second.train()
            second.save("interval")
            second.train()
            second.save("epoch")
        best = second.vault.newest("best")
        assert best is not None
        third = Start(scene, back_to=best.step)
        with closing(third.saves):
            for tag in ("interval", "interval", "stage_end"):
                third.train()
                third.save(tag)
        third.journal.close()


def broken_run(scene: Scene, number: int, failure: Callable[[], BaseException], kinds: Collection[str]) -> bool:
    """A short start whose `number`-th operation of these kinds ends in `failure`, and another that goes on from there.

    Returns whether it had so many of them.
    """
    recorder = scene.recorder
    recorder.other = nth = Nth(number, failure, kinds)
    with fileops.watched(recorder):
        with suppress(Killed, DiskFault):
            _short(Start(scene), ["milestone", "interval", "interval"])
        recorder.other = None
        _short(Start(scene), ["interval"])
    return nth.count >= number


def _short(start: Start, tags: Sequence[str]) -> None:
    with closing(start.saves):
        for tag in tags:
            start.train()
            start.save(tag)
        start.mark("best", 1.0)
