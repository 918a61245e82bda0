"""When and how the work is saved: beside the training, honestly, and again when it failed.

A save has three parts. The snapshot, a copy of the state in host memory, is all that the loop waits for. The commit
puts it on the disk in the background, after the journal of everything that led to it. Settling, once the commit was
journaled, reads it back and lets go of older ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from holdfast.base.faults import DiskFault
from holdfast.base.machine import memory
from holdfast.train.memory import out_of_memory, release
from holdfast.train.sabotage import Sabotage
from holdfast.train.state import RunState
from holdfast.vault.store import Checkpoint, Policy, Vault

Record = Callable[..., None]
Tensors = dict[str, dict[str, Tensor]]

RETRY_SECONDS = 10.0  # after a failed save
LARGEST_SHARE = 0.05  # of the time that may go into waiting for saves by the clock
HEALTHY_STEPS = 50  # sound steps after a checkpoint that make it one to go back to
SPARE_MEMORY = 1.5  # times the state must be free for a snapshot of it


@dataclass(frozen=True, slots=True)
class Cadence:
    """When things fall due. Steps and seconds both count, whichever comes first; None never comes.

    milestone_steps, milestone_batches: what is kept for good, by updates and by batches read (an epoch).
    risk_seconds: how old the last checkpoint may become before failing to save ends the run.
    """

    save_steps: int | None
    save_seconds: float | None
    evaluate_steps: int | None
    sample_steps: int | None
    milestone_steps: int | None = None
    milestone_batches: float | None = None
    risk_seconds: float = 3600.0
    background: bool = True


class Snapshot:
    """A copy of the state in host memory. The buffers are kept: taking it again costs no more than the copying."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, str], Tensor] = {}

    def take(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> Tensors:
        """The same names with the same bits, in memory that training does not touch."""
        return {
            part: {name: self._copy(part, name, each) for name, each in named.items()}
            for part, named in tensors.items()
        }

    def _copy(self, part: str, name: str, tensor: Tensor) -> Tensor:
        buffer = self._buffers.get((part, name))
        if buffer is None or (buffer.shape, buffer.dtype) != (tensor.shape, tensor.dtype):
            pinned = tensor.device.type == "cuda"
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=pinned)
            self._buffers[part, name] = buffer
        return buffer.copy_(tensor.detach())


@dataclass(frozen=True, slots=True)
class _Save:
    """A save under way. blocked: seconds the loop waited for it. skipped: steps that had been skipped before it."""

    step: int
    tags: list[str]
    skipped: int
    asked: float
    blocked: float
    commit: Future[Checkpoint]


class Saves:
    """The saves of one stage, at most one at a time.

    sync: makes the journal durable; it comes before every commit, so that no state is saved whose history is not.
    """

    def __init__(
        self,
        vault: Vault,
        policy: Policy,
        cadence: Cadence,
        record: Record,
        sync: Callable[[], None],
        state: RunState,
        sabotage: Sabotage | None = None,
    ) -> None:
        self._sabotage = sabotage or Sabotage()
        self._vault, self._policy, self._record, self._sync = vault, policy, record, sync
        self._stage, self._risk_seconds, self._interval = state.stage, cadence.risk_seconds, cadence.save_seconds
        self._background = cadence.background and _memory_allows(state)
        self._worker = ThreadPoolExecutor(1, "vault")
        self._snapshot = Snapshot()
        self._under_way: _Save | None = None
        self._settling: dict[Future[Any], _Save | None] = {}  # and marks, which belong to no save
        self._unproven: list[tuple[Checkpoint, int]] = []
        self._durable = (state.step, time.monotonic())  # of the newest state on the disk: its step, and when it was
        self._retry_at: float | None = None
        self._over_budget = False
        if cadence.background and not self._background:
            self._tell("note", "memory is short, so training waits while it is saved")

    def resumed(self, checkpoint: Checkpoint, state: RunState) -> None:
        """Training goes on from this one, which has yet to prove healthy if it did not before."""
        if "healthy" not in self._vault.marks().get(checkpoint.path.name, {}):
            self._unproven.append((checkpoint, state.guard.skipped))

    @property
    def step(self) -> int:
        """That of the newest state that is saved, or being saved."""
        saves = (self._under_way, *self._settling.values())
        return max([self._durable[0], *(save.step for save in saves if save is not None)])

    @property
    def durable_step(self) -> int:
        """That of the newest state on the disk."""
        return self._durable[0]

    @property
    def interval(self) -> float | None:
        """Seconds between two saves by the clock, as it is now; None: they come by steps only."""
        return self._interval

    def overdue(self) -> bool:
        """Whether the clock asks for a save; a failed one is tried again before its time."""
        if self._under_way is not None or self._settling:
            return False
        if self._retry_at is not None:
            return time.monotonic() >= self._retry_at
        return self._interval is not None and self.at_risk() >= self._interval

    def at_risk(self) -> float:
        """Seconds of work that a kill would cost now."""
        return time.monotonic() - self._durable[1]

    def start(self, state: RunState, fields: Mapping[str, Any], tags: list[str]) -> None:
        """Begin to save; returns when the state may change again. Another save under way is waited for."""
        self._harvest()
        asked = time.monotonic()
        tensors = self._taken(state)
        commit = self._worker.submit(self._commit, state.step, tensors, dict(fields), tags)
        if not self._background:
            wait([commit])
        blocked = time.monotonic() - asked
        self._under_way = _Save(state.step, tags, state.guard.skipped, asked, blocked, commit)
        self._widen(blocked)

    def _taken(self, state: RunState) -> Tensors:
        """What is to be saved: a copy that training does not touch, or where memory is short the state itself."""
        if self._background:
            try:
                self._sabotage.call("save")
                return self._snapshot.take(state.tensors())
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            self._background, self._snapshot = False, Snapshot()
            release()
            self._tell("note", "memory ran out for a copy of the state, so training waits while it is saved")
        return state.tensors()

    def look(self, state: RunState) -> None:
        """Between two steps: journal a save that ended, tell of one that failed, mark what proved healthy.

        Raises DiskFault when more work is at risk than may be; Fault for a state that must not be saved.
        """
        if self._under_way is not None and self._under_way.commit.done():
            self._harvest()
        self._settled(future for future in list(self._settling) if future.done())
        for checkpoint, skipped in list(self._unproven):
            if state.step >= checkpoint.step + HEALTHY_STEPS:
                self._unproven.remove((checkpoint, skipped))
                if state.guard.skipped == skipped:
                    self.mark(checkpoint.step, "healthy")

    def finish(self, state: RunState, fields: Mapping[str, Any], tags: list[str]) -> None:
        """Save, and wait until it is on the disk, journaled and read back. Raises DiskFault."""
        self.start(state, fields, tags)
        self._risk_seconds = 0.0  # there is no later chance
        self.drain()

    def drain(self) -> None:
        """Wait for what is under way."""
        self._harvest()
        while self._settling:
            self._settled(list(self._settling))

    def mark(self, step: int, tag: str, score: float | None = None) -> None:
        """Note in the background what was found out about the newest checkpoint of `step`."""
        self._settling[self._worker.submit(self._mark, step, tag, score)] = None

    def close(self) -> None:
        """Let what is under way end."""
        self._worker.shutdown(wait=True)

    def _widen(self, blocked: float) -> None:
        """Save less often by the clock where waiting for it would take too much of the time, and say so."""
        if self._interval is not None and blocked > LARGEST_SHARE * self._interval:
            self._interval = blocked / LARGEST_SHARE
            self._tell("note", f"a save takes {blocked:.1f} s, so there is one every {self._interval:.0f} s")

    def _harvest(self) -> None:
        """Take the outcome of the save under way, waiting for it if need be."""
        save, self._under_way = self._under_way, None
        if save is None:
            return
        try:
            checkpoint = save.commit.result()
        except DiskFault as fault:
            self._failed(fault)
            return
        self._retry_at = None
        self._record("checkpoint", stage=self._stage, step=save.step, path=checkpoint.path.name, tags=save.tags,
                     seconds=time.monotonic() - save.asked, blocked_ms=save.blocked * 1000)  # fmt: skip
        self._unproven.append((checkpoint, save.skipped))
        self._settling[self._worker.submit(self._settle, checkpoint)] = save

    def _failed(self, fault: DiskFault) -> None:
        """Tell of it, try again soon, and give up only when too much work is at risk."""
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self._tell("save_failed", f"not saved: {fault.cause}; {self.at_risk():.0f} s of work are at risk")
        if self.at_risk() >= self._risk_seconds:
            raise fault

    def _settled(self, ended: Iterable[Future[Any]]) -> None:
        """Take the outcome of what came after commits, waiting for it if need be."""
        for future in ended:
            save = self._settling.pop(future)
            try:
                over = future.result()
            except DiskFault as fault:
                if save is not None:
                    self._failed(fault)
                else:
                    self._tell("note", f"a mark is lost: {fault.cause}")
                continue
            if save is not None:
                self._durable = (save.step, save.asked)
                self._watch_budget(over)

    def _watch_budget(self, over: int) -> None:
        if over and not self._over_budget:
            self._tell("over_budget", f"the checkpoints take {over / 1e6:.0f} MB more than the disk budget allows")
        self._over_budget = bool(over)

    def _tell(self, event: str, text: str) -> None:
        self._record("event", event=event, stage=self._stage, text=f"{self._stage}: {text}")

    def _commit(self, step: int, tensors: Tensors, fields: dict[str, Any], tags: list[str]) -> Checkpoint:
        self._sync()
        try:
            return self._vault.commit(step, tensors, fields, tags)
        except DiskFault:
            with suppress(OSError):  # what can go now makes room; the fault stays the one above
                self._vault.retire(self._policy)
            return self._vault.commit(step, tensors, fields, tags)

    def _settle(self, checkpoint: Checkpoint) -> int:
        self._sync()  # the journal knows of this one before an older one goes
        retention = self._vault.settle(checkpoint, self._policy)
        return 0 if retention is None else retention.over

    def _mark(self, step: int, tag: str, score: float | None) -> None:
        there = [checkpoint for checkpoint in self._vault.checkpoints() if checkpoint.step == step]
        if there:
            self._vault.mark(there[-1], tag, score)


def _memory_allows(state: RunState) -> bool:
    size = sum(tensor.nbytes for named in state.tensors().values() for tensor in named.values())
    return memory().available > SPARE_MEMORY * size
