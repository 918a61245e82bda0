"""What the fork server's children can be made to suffer from, called in the child before the run starts."""

from __future__ import annotations

import errno
import json
import math
import os
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from holdfast.disk import fileops
from holdfast.disk.fileops import Operation

STEP_SECONDS = 0.1  # what a step takes on a full disk, so that a save that fails beside it fails within one or two
ROOM_TAKING = ("create", "write", "allocate", "mkdir")


def other_dropout(batch: int) -> None:
    """The random numbers of one batch are others."""
    from holdfast.train import step

    draw = step.draw

    def drawn(seed: int, *purpose: str | int) -> int:
        return draw(seed + (batch in purpose), *purpose)

    step.draw = drawn


def other_order(batch: int) -> None:
    """One batch comes in the place of another."""
    from holdfast.feed.feed import Feed

    batch_at = Feed.batch_at
    Feed.batch_at = lambda self, index: batch_at(self, index + (index == batch))  # type: ignore[method-assign]


def other_rate(factor: float) -> None:
    """The learning rate is `factor` times what it was."""
    from holdfast.stages import training

    multiplier = training.multiplier
    training.multiplier = lambda *arguments: multiplier(*arguments) * factor


def flipped_bit(part: str, place: float, bit: int) -> None:
    """One bit of what was loaded is another: of the value that lies at `place` (0 to 1) of a part of the state."""
    from holdfast.train.state import RunState

    restore = RunState.restore

    def restored(self: RunState, *arguments: Any) -> None:
        restore(self, *arguments)
        flip(self.tensors()[part], place, bit)

    RunState.restore = restored  # type: ignore[method-assign]


def slow_steps(seconds: float) -> None:
    """By the clock that saving goes by, a step takes `seconds`, and nothing else takes any time."""
    from holdfast.train import loop, saving

    apply = loop.apply
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)

    def applied(*arguments: Any) -> None:
        apply(*arguments)
        clock.now += seconds

    look = saving.Saves.look

    def looked(saves: Any, state: Any) -> None:
        saves.drain()  # on a busy machine many of these short steps would be made meanwhile
        look(saves, state)

    saving.time = clock  # type: ignore[attr-defined]
    saving.Saves.look = looked  # type: ignore[method-assign]
    loop.apply = applied  # type: ignore[attr-defined]


def flip(tensors: dict[str, Tensor], place: float, bit: int) -> None:
    index = int(place * sum(tensor.numel() for tensor in tensors.values()))
    for tensor in tensors.values():
        if index < tensor.numel():
            flat = tensor.detach().view(-1).view(torch.int32)
            flat[index] ^= 1 << bit if bit < 31 else -(2**31)
            return
        index -= tensor.numel()
    raise IndexError(place)


class FullDisk:
    """A disk on which there is no room for a while: from one step of pretraining on, for so many lines of the journal.

    place:   what is refused has this in its path; None: nothing is, but `ballast` is laid on the disk, up to its rim.
    refused: a file that gets a line per refusal, with the step that had been made by then.
    signal:  what the process is sent after the first line that is written to a full disk.
    """

    def __init__(
        self, place: str | None, from_step: int, lines: float, ballast: Path | None, refused: Path, signal: int
    ) -> None:
        self._place, self._from_step, self._left = place, from_step, lines
        self._ballast, self._refused, self._signal = ballast, refused, signal
        self._step = 0
        self._full = False

    def before(self, operation: Operation) -> None:
        if operation.kind == "write" and operation.path.parent.name == "journal":
            self._watch_time(bytes(operation.data or b""))
        if self._full and self._place and self._place in str(operation.path) and operation.kind in ROOM_TAKING:
            with self._refused.open("a") as file:
                file.write(f"{self._step}\n")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(operation.path))

    def after(self, operation: Operation) -> None:
        pass

    def _watch_time(self, line: bytes) -> None:
        record = json.loads(line) if line.startswith(b"{") else {}
        if record.get("kind") == "step" and record["stage"] == "pretrain":
            self._step = record["step"]
            if self._step >= self._from_step and self._left > 0 and not self._full:
                self._begin()
        if self._full:
            time.sleep(STEP_SECONDS)
            self._left -= 1
            if self._left <= 0:
                self._end()

    def _begin(self) -> None:
        self._full = True
        if self._ballast is not None:
            with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        if self._signal:
            os.kill(os.getpid(), self._signal)

    def _end(self) -> None:
        self._full = False
        if self._ballast is not None:
            self._ballast.unlink()


def full_disk(
    place: str | None, from_step: int, lines: float | None, ballast: str | None, refused: str, signal: int
) -> None:
    """Let the disk be full for a while; lines None: for ever."""
    until = math.inf if lines is None else lines
    laid = None if ballast is None else Path(ballast)
    fileops.watch(FullDisk(place, from_step, until, laid, Path(refused), signal))


def small_parts(characters: int) -> None:
    """A corpus is built in parts of about so many characters, so that a small one has several."""
    from holdfast.text import gather

    gather.PART_CHARACTERS = characters
