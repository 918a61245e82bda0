"""Where people look: a terminal that can be redrawn, or a file, a pipe or a log that only takes lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

REDRAWS_PER_SECOND = 2  # often enough to look alive, seldom enough to cost a training step nothing
WIDEST_BAR, NARROWEST_BAR = 24, 6  # columns

_in_use: set[int] = set()  # terminals that have a live display: there is room for one


def terminal(stream: TextIO) -> Console | None:
    """A console for a terminal that can be redrawn; None for anything else. NO_COLOR is honoured by the console."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return Console(file=stream, highlight=False, markup=False, emoji=False)


@contextmanager
def live(console: Console, render: Callable[[int], RenderableType]) -> Iterator[None]:
    """Keep what `render` returns at the bottom of the terminal and redraw it; it is gone when the block ends.

    render: width of the terminal in columns -> what to show, called from a thread of its own.
    Inside another one the block shows nothing.
    """
    key = id(console.file)
    if key in _in_use:
        yield
        return
    _in_use.add(key)
    try:
        with Live(
            get_renderable=lambda: render(console.width),
            console=console,
            refresh_per_second=REDRAWS_PER_SECOND,
            transient=True,
        ):
            yield
    finally:
        _in_use.discard(key)


def bar(label: str, done: float, total: float | None, words: str, columns: int) -> Table:
    """One line: label, bar, words, of at most `columns`; where that is too narrow, the words take more lines.

    A bar of unknown length moves to and fro.
    """
    width = max(NARROWEST_BAR, min(WIDEST_BAR, columns - len(label) - len(words) - 2))
    line = Table.grid(padding=(0, 1))
    line.add_column(no_wrap=True)
    line.add_column(width=width)
    line.add_column()
    line.add_row(Text(label), ProgressBar(total=total or None, completed=done, width=width, pulse=not total), words)
    return line


def say(stream: TextIO, text: str) -> None:
    """Write one line, whatever the encoding of the stream can show of it."""
    stream.write(printable(text, stream.encoding) + "\n")
    stream.flush()


def printable(text: str, encoding: str | None) -> str:
    """Text made safe to show: no control characters (a model or a corpus could write escape sequences), nothing that
    the encoding lacks."""
    safe = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    encoding = encoding or "utf-8"
    return safe.encode(encoding, errors="replace").decode(encoding)
