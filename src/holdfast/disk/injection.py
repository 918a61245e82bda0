"""Faults on purpose: what a test or a drill wants to go wrong, and where. Off and free otherwise.

HOLDFAST_FAULTS="nan@12,kill@30,enospc@write:7,torn@write:9:rank=1"

    kill term int usr1 @STEP      that signal, when the update to STEP has been made
    slow hang @STEP               some seconds, or a day, pass before the next one
    nan inf @BATCH                the loss of that batch, counted from 1, is no number
    nan-grad @BATCH               one number of its gradient is none
    spike @BATCH                  its tokens are noise
    lr @BATCH                     its update is made with 60 times the learning rate, on all ranks
    oom @BATCH                    memory runs out at the first try of that batch
    oom-evaluate oom-sample oom-save @N     memory runs out in the N-th of these
    enospc eio eintr @OP:N        the N-th file operation OP (write, rename, ..., or any) of this process fails so
    crash-before crash-after      the process is killed before or after the N-th OP
    torn @write:N                 half of the N-th write reaches the file, then the process is killed
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.base.faults import RecipeFault
from holdfast.disk import fileops

VARIABLE = "HOLDFAST_FAULTS"
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT, "usr1": signal.SIGUSR1}
STEPS = ("slow", "hang")
BATCHES = ("nan", "inf", "nan-grad", "spike", "lr")  # they change what is learned, and hold for that batch for good
MEMORY = ("oom", "oom-evaluate", "oom-sample", "oom-save")
ERRORS = {"enospc": errno.ENOSPC, "eio": errno.EIO, "eintr": errno.EINTR}
INJECTED = "injected on purpose:"
CRASHES = ("crash-before", "crash-after", "torn")
_FORM = re.compile(r"(?P<name>[a-z0-9-]+)@(?P<place>[a-z_]+|\d+)(:(?P<number>\d+))?(:rank=(?P<rank>\d+))?")


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault: its name, the step or the count at which it strikes, and the file operation if it is about one."""

    name: str
    at: int
    operation: str | None = None
    rank: int = 0

    @property
    def poisons(self) -> bool:
        """Whether it changes what is learned, and not only what becomes of the process or its files."""
        return self.name in (*BATCHES, *MEMORY)

    def __str__(self) -> str:
        place = f"{self.at}" if self.operation is None else f"{self.operation}:{self.at}"
        return f"{self.name}@{place}{f':rank={self.rank}' if self.rank else ''}"


def parse(text: str) -> tuple[Injected, ...]:
    """The faults that `text` asks for. Raises RecipeFault for what is none."""
    return tuple(_parse(word.strip()) for word in text.split(",") if word.strip())


def _parse(word: str) -> Injected:
    match = _FORM.fullmatch(word)
    if match:
        name, place, number, rank = match["name"], match["place"], match["number"], int(match["rank"] or 0)
        if name in (*SIGNALS, *STEPS, *BATCHES, *MEMORY) and place.isdecimal() and number is None:
            return Injected(name, int(place), None, rank)
        places = ("write",) if name == "torn" else (*fileops.KINDS, "any")
        if name in (*ERRORS, *CRASHES) and place in places and number is not None:
            return Injected(name, int(number), place, rank)
    raise RecipeFault(
        f"{word!r} is no fault to inject",
        "write NAME@NUMBER (kill, term, nan, spike, oom, ...) or NAME@OPERATION:NUMBER (enospc, eio, eintr, torn, ...)",
    )


def from_environment(rank: int = 0) -> tuple[Injected, ...]:
    """What HOLDFAST_FAULTS asks of this rank; almost always nothing."""
    return tuple(fault for fault in parse(os.environ.get(VARIABLE, "")) if fault.rank == rank or fault.name == "lr")


def strike(faults: Iterable[Injected], step: int) -> None:
    """Send this process the signals that are due now that `step` updates have been made."""
    for fault in faults:
        if fault.name in SIGNALS and fault.at == step:
            os.kill(os.getpid(), SIGNALS[fault.name])


class FileFaults:
    """A watcher that lets chosen file operations fail, tear, or end the process. Operations count from 1."""

    def __init__(self, faults: Iterable[Injected]) -> None:
        self._faults = [fault for fault in faults if fault.operation is not None]
        self._seen = [0] * len(self._faults)

    def before(self, operation: fileops.Operation) -> None:
        """Fail or die where a fault strikes before its operation."""
        due = []
        for index, fault in enumerate(self._faults):  # all of them count, whichever strikes
            if fault.operation in (operation.kind, "any"):
                self._seen[index] += 1
                due += [fault] if self._seen[index] == fault.at else []
        for fault in due:
            _strike_at(operation, fault)

    def after(self, operation: fileops.Operation) -> None:
        """Die where a fault strikes after its operation."""
        for seen, fault in zip(self._seen, self._faults, strict=True):
            if fault.name == "crash-after" and seen == fault.at and fault.operation in (operation.kind, "any"):
                _tell(fault)
                os.kill(os.getpid(), signal.SIGKILL)


def _strike_at(operation: fileops.Operation, fault: Injected) -> None:
    if fault.name != "crash-after":
        _tell(fault)
    if fault.name in ERRORS:
        raise OSError(ERRORS[fault.name], os.strerror(ERRORS[fault.name]), str(operation.path))
    if fault.name == "torn" and operation.data is not None:
        os.write(operation.handle, operation.data[: len(operation.data) // 2])
    if fault.name in ("crash-before", "torn"):
        os.kill(os.getpid(), signal.SIGKILL)


def _tell(fault: Injected) -> None:
    """On standard error, past all buffers, so that nobody takes it for a fault of the disk."""
    os.write(2, f"{INJECTED} {fault}\n".encode())
