"""Time as those who fetch see it: it passes, it can be waited for, and somebody may call a halt."""

from __future__ import annotations

import threading
import time


class Halted(Exception):
    """Somebody asked to stop. What was fetched so far is on the disk, and the next call goes on from there."""


class Clock:
    """The time of this machine. A test hands in one of its own, on which waiting takes no time."""

    def __init__(self) -> None:
        self._halt = threading.Event()

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass. Raises Halted when somebody calls a halt before they have."""
        if self._halt.wait(max(0.0, seconds)):
            raise Halted

    def halt(self) -> None:
        """Let every thread that waits, or looks, stop."""
        self._halt.set()

    def go_on(self) -> None:
        """Raise Halted if somebody called a halt."""
        if self._halt.is_set():
            raise Halted
