"""Signals and the clock set a sticky flag and nothing else; the loop looks at it at step boundaries."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from holdfast.base.faults import Stopped

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # SIGUSR1: what schedulers send before a time limit


class StopFlag:
    """Whether somebody asked the run to stop, and how. The second Ctrl-C in a row stops at once.

    deadline: time.monotonic() from which on the time limit asks.
    """

    def __init__(self, deadline: float = math.inf) -> None:
        self.reason: str | None = None
        self._deadline = deadline

    def ask(self, reason: str) -> None:
        """Remember the first request; later ones do not change it."""
        self.reason = self.reason or reason

    def check(self, where: str) -> None:
        """Raise Stopped in the middle of `where` if somebody asked; only where nothing is lost by it."""
        if self:
            raise Stopped(f"stopped by {self.reason} during {where}", "run the same command again to go on from here")

    def __bool__(self) -> bool:
        if time.monotonic() >= self._deadline:
            self.ask("the time limit")
        return self.reason is not None


@contextmanager
def stop_on_signals(deadline: float = math.inf) -> Iterator[StopFlag]:
    """A flag that SIGINT, SIGTERM and SIGUSR1 set while the block runs. Works in a process's main thread only.
    deadline: see StopFlag.

    One that the process was holding back until somebody could hear it is heard now, and held back again afterwards.
    """
    flag = StopFlag(deadline)

    def handle(number: int, frame: FrameType | None) -> None:
        if flag and number == signal.SIGINT:
            raise KeyboardInterrupt  # the user insists; committed checkpoints are safe whatever happens next
        flag.ask(signal.Signals(number).name)

    previous = {number: signal.signal(number, handle) for number in HANDLED}
    held_back = signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    try:
        yield flag
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held_back)
        for number, handler in previous.items():
            signal.signal(number, handler)
