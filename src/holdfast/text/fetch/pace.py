"""One request at a time to each host, with a pause between two."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from holdfast.text.fetch.clock import Clock


class TooLong(Exception):
    """A host wants to be left alone for longer than we wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it asks for {seconds:.0f} seconds without a request")
        self.seconds = seconds


@dataclass(slots=True)
class _Host:
    delay: float
    free_at: float = 0.0
    turn: threading.Lock = field(default_factory=threading.Lock)


class Pace:
    """When each host may be asked next. Shared by all threads."""

    def __init__(self, clock: Clock, delay: float, longest_wait: float) -> None:
        self._clock, self._delay, self._longest = clock, delay, longest_wait
        self._hosts: dict[str, _Host] = {}
        self._guard = threading.Lock()

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """The length of one request: it begins when the host is free, and the pause begins when it ends.

        Raises TooLong, Halted.
        """
        state = self._of(host)
        with state.turn:
            wait = state.free_at - self._clock.now()
            if wait > self._longest:
                raise TooLong(wait)
            self._clock.sleep(wait)
            try:
                yield
            finally:
                state.free_at = max(state.free_at, self._clock.now() + state.delay)

    def slow_down(self, host: str, delay: float) -> None:
        """From now on leave at least `delay` seconds between two requests; never less than before."""
        state = self._of(host)
        state.delay = max(state.delay, delay)
        if state.delay > self._longest:
            raise TooLong(state.delay)

    def leave_alone(self, host: str, seconds: float) -> None:
        """No request for so many seconds."""
        state = self._of(host)
        state.free_at = max(state.free_at, self._clock.now() + seconds)

    def _of(self, host: str) -> _Host:
        with self._guard:
            return self._hosts.setdefault(host, _Host(self._delay))
