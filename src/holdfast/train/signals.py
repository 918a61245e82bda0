"""Signals set sticky flags and nothing else; the loop looks at them at step boundaries."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANDLED = (signal.SIGINT, signal.SIGTERM)


class StopFlag:
    """Whether somebody asked the run to stop, and how. The second Ctrl-C in a row stops at once."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def ask(self, reason: str) -> None:
        """Remember the first request; later ones do not change it."""
        self.reason = self.reason or reason

    def __bool__(self) -> bool:
        return self.reason is not None


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """A flag that SIGINT and SIGTERM set while the block runs. Works in the main thread of the process only."""
    flag = StopFlag()

    def handle(number: int, frame: FrameType | None) -> None:
        if flag and number == signal.SIGINT:
            raise KeyboardInterrupt  # the user insists; committed checkpoints are safe whatever happens next
        flag.ask(signal.Signals(number).name)

    previous = {number: signal.signal(number, handle) for number in HANDLED}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
