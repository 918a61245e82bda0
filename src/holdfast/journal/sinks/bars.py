"""Progress of work that is no training: reading a corpus, training a tokenizer, evaluating, exporting."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO

from rich.console import Console, RenderableType

from holdfast.journal.metrics import words_for_bytes, words_for_count, words_for_seconds
from holdfast.journal.sinks import screen

PATIENCE_SECONDS = 2.0  # what is done sooner is not worth a bar
LINE_SECONDS = 10.0

Progress = Callable[[int, int | None], None]


@contextmanager
def progress_bar(
    description: str, unit: str = "", quiet: bool = False, stream: TextIO | None = None
) -> Iterator[Progress]:
    """Hand out a function to call with (done, total or None) as often as one likes.

    unit: what is counted; "B" is bytes. stream: where to show it, standard output unless told. On a terminal a bar
    appears, elsewhere a line now and then, and neither before PATIENCE_SECONDS. What can not be shown is not shown.
    """
    if quiet:
        yield lambda done, total: None
        return
    with _Bar(description, unit, sys.stdout if stream is None else stream) as shown:
        yield shown.update


class _Bar:
    def __init__(self, description: str, unit: str, stream: TextIO) -> None:
        self._description, self._unit, self._stream = description, unit, stream
        self._terminal: Console | None = screen.terminal(stream)
        self._done = 0
        self._total: int | None = None
        self._started = time.monotonic()
        self._next_look = self._started + PATIENCE_SECONDS
        self._live = ExitStack()
        self._lines = 0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        with suppress(OSError, ValueError):
            self._live.close()
            if kind is None and self._lines:
                took = words_for_seconds(time.monotonic() - self._started)
                screen.say(self._stream, f"{self._description}: {self._amount(self._done)} in {took}")

    def update(self, done: int, total: int | None = None) -> None:
        """So much of so much is done."""
        self._done, self._total = done, total
        if time.monotonic() >= self._next_look:
            self._look()

    def _look(self) -> None:
        with suppress(OSError, ValueError):  # a closed pipe or a full disk under the log is no reason to stop working
            if self._terminal is None:
                self._next_look = time.monotonic() + LINE_SECONDS
                self._lines += 1
                screen.say(self._stream, f"{self._description}: {self._words()}")
            else:
                self._next_look = float("inf")  # from here on the display redraws itself
                self._live.enter_context(screen.live(self._terminal, self._render))

    def _render(self, columns: int) -> RenderableType:
        return screen.bar(self._description, self._done, self._total, self._words(), columns)

    def _words(self) -> str:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = self._done / elapsed
        words = self._amount(self._done)
        if self._total:
            words += f" of {self._amount(self._total)} {100 * min(self._done, self._total) // self._total}%"
        words += f"  {self._amount(rate)}/s  {words_for_seconds(elapsed)}"
        if self._total and rate:
            words += f"<{words_for_seconds((self._total - self._done) / rate)}"
        return words

    def _amount(self, number: float) -> str:
        if self._unit == "B":
            return words_for_bytes(number)
        return f"{words_for_count(number)} {self._unit}".rstrip()
