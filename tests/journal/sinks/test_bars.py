"""Bars for work that takes a while, and nothing for work that does not."""

from __future__ import annotations

import io
import re

import pytest

from holdfast.journal.sinks import bars, screen
from holdfast.journal.sinks.bars import progress_bar


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(bars.time, "monotonic", clock.monotonic)
    return clock


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def work(clock: Clock, seconds: int, stream: io.StringIO, total: int | None = 1_000_000, **options: bool) -> str:
    with progress_bar("corpus", unit="B", stream=stream, **options) as progress:
        for second in range(1, seconds + 1):
            clock.now += 1
            progress(second * 10_000, total)
    return stream.getvalue()


def test_quick_work_shows_nothing(clock: Clock) -> None:
    assert work(clock, 1, io.StringIO()) == ""
    assert work(clock, 1, Terminal()) == ""


def test_quiet_work_shows_nothing(clock: Clock) -> None:
    assert work(clock, 50, io.StringIO(), quiet=True) == ""


def test_long_work_tells_now_and_then_and_at_the_end(clock: Clock) -> None:
    lines = work(clock, 50, io.StringIO()).splitlines()
    assert lines[0] == "corpus: 20 kB of 1 MB 2%  10 kB/s  2s<1m38s"
    assert len(lines) == 6
    assert lines[-1] == "corpus: 500 kB in 50s"


def test_an_unknown_total_has_no_end(clock: Clock) -> None:
    first = work(clock, 20, io.StringIO(), total=None).splitlines()[0]
    assert first == "corpus: 20 kB  10 kB/s  2s"


def test_a_terminal_gets_a_bar_that_goes_away(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = work(clock, 60, Terminal())
    assert re.search(r"corpus.*of 1 MB", text)
    assert "\x1b[?25h" in text


def test_a_failure_inside_passes_and_is_not_called_done(clock: Clock) -> None:
    stream = io.StringIO()

    def fail() -> None:
        with progress_bar("corpus", stream=stream) as progress:
            clock.now += 5
            progress(3, 10)
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert stream.getvalue().splitlines() == ["corpus: 3 of 10 30%  0.60/s  5s<12s"]


def test_a_closed_pipe_does_not_stop_the_work(clock: Clock) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    assert work(clock, 30, Closed()) == ""


def test_a_terminal_has_room_for_one_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    console = screen.terminal(stream)
    assert console is not None
    with screen.live(console, lambda columns: "outer"), screen.live(console, lambda columns: "inner"):
        pass
    assert "outer" in stream.getvalue()
    assert "inner" not in stream.getvalue()
