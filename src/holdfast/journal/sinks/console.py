"""The run on the console: a live line that is redrawn on a terminal, plain lines at sane intervals everywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, TextIO

from rich.console import Group, RenderableType
from rich.text import Text

from holdfast.journal.metrics import words_for_seconds
from holdfast.journal.sinks import screen
from holdfast.journal.sinks.standing import Standing

SHORTEST_SECONDS = 10  # between two plain lines; grows with the run, so that a month of log can still be read
LONGEST_SECONDS = 300
SHARE_OF_RUN = 1 / 60
SAMPLE_LETTERS = 160

ALERTS = ("save_failed", "over_budget", "audit_failed", "sink_failed", "alarm")  # shown even when all else is quiet
ALERT_STYLE, OVER_STYLE = "bold red", "green"
_STYLES = {"decision": "yellow", "sample": "dim"}


class Console:
    """Shows the journal's records as they come.

    quiet:       show nothing but alerts. stream: where to; standard output unless told.
    every_steps: steps between two plain lines; None goes by time.
    earlier:     stage -> seconds of its latest steps in an earlier start, so that a stage that goes on has an estimate.
    """

    def __init__(
        self,
        quiet: bool = False,
        stream: TextIO | None = None,
        every_steps: int | None = None,
        earlier: Callable[[str], Iterable[float]] = lambda stage: (),
    ) -> None:
        self._quiet = quiet
        self._stream = sys.stdout if stream is None else stream
        self._terminal = None if quiet else screen.terminal(self._stream)
        self._every_steps = every_steps
        self._earlier = earlier
        self._standing: Standing | None = None
        self._live = ExitStack()
        self._shown_at: float | None = None

    def take(self, record: dict[str, Any]) -> None:
        """Show one record, if it is one that people want to see."""
        stage, event = record.get("stage"), record.get("event")
        if self._quiet and event not in ALERTS:
            return
        if event in ("stage_start", "stage_continue") or (record["kind"] == "step" and not self._is_of(stage)):
            self._begin(str(stage), record["time"], goes_on=event == "stage_continue")
        if self._standing is not None and self._is_of(stage):
            self._standing.take(record)
        if record["kind"] == "step":
            self._show_step(record)
        elif event in ("stage_done", "stage_failed", "stage_stopped"):
            self._end()
        if (text := message(record, brief=self._terminal is not None)) is not None:
            self._print(text, _style(record))

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._end()

    def _is_of(self, stage: Any) -> bool:
        return self._standing is not None and self._standing.stage == stage

    def _begin(self, stage: str, moment: float, *, goes_on: bool) -> None:
        self._end()
        earlier = self._earlier(stage) if goes_on else ()
        self._standing, self._shown_at = Standing(stage, moment, earlier), None

    def _end(self) -> None:
        self._live.close()
        self._live = ExitStack()
        self._standing = None

    def _show_step(self, record: dict[str, Any]) -> None:
        assert self._standing is not None
        standing, moment = self._standing, record["time"]
        if self._terminal is not None:
            if self._shown_at is None:
                self._live.enter_context(screen.live(self._terminal, lambda columns: _live_view(standing, columns)))
                self._shown_at = moment
        elif self._is_due(standing, moment):
            self._print(_line(standing, moment))
            self._shown_at = moment

    def _is_due(self, standing: Standing, moment: float) -> bool:
        if self._shown_at is None or standing.is_last:
            return True
        if self._every_steps is not None:
            return standing.step % self._every_steps == 0
        wanted = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, SHARE_OF_RUN * (moment - standing.began)))
        return not 0 <= moment - self._shown_at < wanted  # a clock that was set back must not silence the run

    def _print(self, text: str, style: str = "") -> None:
        if self._terminal is None:
            screen.say(self._stream, text)
        else:
            self._terminal.print(Text(screen.printable(text, self._stream.encoding), style=style))


def message(record: dict[str, Any], brief: bool = False) -> str | None:
    """The line that a record is worth, or None. brief: leave out what the live view shows anyway."""
    kind, stage, step = record["kind"], record.get("stage"), record.get("step")
    place = "" if stage is None else f"{stage}: " if step is None else f"{stage} step {step:,}: "
    match kind:
        case "event":
            return _event(record, place)
        case "decision":
            return f"{place}{record.get('verdict')}: {record.get('reason')}"
        case "eval":
            return f"{place}{_score(record)}"
        case "sample":
            flat = " ".join(f"{record.get('prompt', '')} -> {record.get('text', '')}".split())
            return f"{place}{flat if len(flat) <= SAMPLE_LETTERS else flat[:SAMPLE_LETTERS] + '...'}"
        case "checkpoint" if not brief:
            took = f" in {record['seconds']:.2f} s" if "seconds" in record else ""
            return f"{place}saved ({', '.join(record.get('tags', ()))}){took}"
    return None


def _event(record: dict[str, Any], place: str) -> str | None:
    match record.get("event"):
        case "stage_start":
            return f"{place}begins"
        case "stage_continue":
            return f"{place}goes on"
        case "stage_done":
            return f"{place}done in {words_for_seconds(record.get('wall_seconds', 0.0))}"
        case "resume":
            return f"{place}resumed"
    if (text := record.get("text")) is not None:
        raised = record.get("event") == "alarm" and not record.get("over")
        return f"ALARM {text}" if raised else str(text)
    return f"{place}{record['event']} {record['what']}" if "what" in record else None


def _style(record: dict[str, Any]) -> str:
    if record.get("event") in ALERTS:
        return OVER_STYLE if record.get("over") else ALERT_STYLE
    return _STYLES.get(record["kind"], "")


def _score(record: dict[str, Any]) -> str:
    words = f"{record.get('name')} {record.get('metric')} {record['value']:.4g}"
    if record.get("low") is not None and record.get("high") is not None:
        words += f" ({record['low']:.4g} to {record['high']:.4g})"
    return words if record.get("n") is None else f"{words}, n {record['n']:,}"


def _line(standing: Standing, now: float) -> str:
    return "  ".join([f"{standing.stage} {standing.where()}", *standing.facts(now), standing.time(now)])


def _live_view(standing: Standing, columns: int) -> RenderableType:
    now = time.time()
    head = screen.bar(
        standing.stage, standing.step, standing.total, f"{standing.where()}  {standing.time(now)}", columns
    )
    return Group(head, Text("  ".join(standing.facts(now))))
