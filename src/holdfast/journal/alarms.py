"""Alarms: conditions that people should know of while a run goes on, each told once, and once when it is over.

Deciders over plain numbers, with a memory: no file, no clock, no tensor. Each condition is a strain, a number that is
above 1 where its limit is passed. An alarm that was raised stands until the strain is well below 1, so that a value
that trembles around its limit makes no noise.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from holdfast.journal.metrics import Smooth, words_for_bytes, words_for_count, words_for_seconds
from holdfast.journal.settings import AlarmSettings

CALM = 0.85  # strain below which an alarm is over
WARM_UP = 5  # first steps of a start allocate and compile
RECENT = 64  # steps whose median is the pace now: half of them must change before it does
BLOCK = 128  # steps whose median is a pace to compare with
HOP = 8  # steps between two looks at the pace
LOSS_MEMORY = 100  # steps
JUMPS = 2  # times the mean difference between two losses in a row that is more than noise in a smoothed one
LEAST_WORK = 30.0  # seconds that are worth an alarm: of short steps many are made while a checkpoint is written
CHECKPOINTS_AHEAD = 2  # that the disk must have room for: one is written before another goes


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured when a step was applied.

    step, saved:  updates made, and how many of them the newest state on the disk has.
    seconds:      of the step, without what happened between steps. tokens: how many it read.
    loss:         mean nats per token of its batch; may be no number.
    save_seconds: between two checkpoints by the clock; None: they come by steps only.
    memory:       part in use, of the machine or of its GPU, whichever is fuller.
    disk_free:    bytes.
    """

    step: int
    saved: int
    seconds: float
    tokens: int
    loss: float
    save_seconds: float | None
    memory: float
    disk_free: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """One line for people. over: the condition that was told under this name has ended."""

    name: str
    text: str
    over: bool = False

    def fields(self) -> dict[str, Any]:
        """The fields of its journal record, an event. Without a step: a resume does not take an alarm back."""
        return {"event": "alarm", "alarm": self.name, "over": self.over, "text": self.text}


class Watch:
    """Looks at every applied step of one stage in one start of the run, on the rank that records.

    save_steps:       steps between two checkpoints; None: they come by the clock only.
    checkpoint_bytes: what one takes on the disk.
    usual_speed:      tokens per second of earlier starts, see `usual_speed`; None: there was none.
    """

    def __init__(
        self,
        settings: AlarmSettings,
        stage: str,
        save_steps: int | None,
        checkpoint_bytes: int,
        usual_speed: float | None = None,
    ) -> None:
        self._settings = settings
        self._stage = stage
        self._save_steps = save_steps
        self._room = checkpoint_bytes * CHECKPOINTS_AHEAD
        self._pace = Pace(usual_speed)
        self._trend = Trend()
        self._conditions = self._wanted()
        self._standing: set[str] = set()

    def look(self, facts: Facts) -> list[Alarm]:
        """Take in one more step. Returns what is to be told now, almost always nothing."""
        self._pace.add(facts.seconds, facts.tokens)
        self._trend.add(facts.loss)
        found = []
        for name, (strain, words) in self._conditions.items():
            now = strain(facts)
            if (now > 1) if name not in self._standing else (now < CALM):
                over = name in self._standing
                self._standing ^= {name}
                text = f"{self._stage} step {facts.step:,}: {'over: ' if over else ''}{words(facts)}"
                found.append(Alarm(name, text, over))
        return found

    def _wanted(self) -> dict[str, tuple[Callable[[Facts], float], Callable[[Facts], str]]]:
        """name -> (strain, words), for the alarms that are not switched off."""
        on = self._settings
        return {
            name: condition
            for name, limit, condition in (
                ("work_at_risk", on.risk_minutes, (self._risk, self._risk_words)),
                ("checkpoint_overdue", on.overdue, (self._overdue, self._overdue_words)),
                ("step_time", on.step_time, (self._step_time, self._step_time_words)),
                ("throughput", on.throughput, (self._throughput, self._throughput_words)),
                ("loss_rising", on.loss, (self._loss, self._loss_words)),
                ("memory", on.memory, (self._memory, self._memory_words)),
                ("disk_low", on.disk_gb, (self._disk, self._disk_words)),
            )
            if limit is not None
        }

    def _work(self, facts: Facts) -> float:
        """Seconds of stepping that a kill would cost. Not the age of the checkpoint: an evaluation is no work."""
        return (facts.step - facts.saved) * self._pace.step

    def _risk(self, facts: Facts) -> float:
        return self._work(facts) / (60 * (self._settings.risk_minutes or math.inf))

    def _risk_words(self, facts: Facts) -> str:
        unsaved = facts.step - facts.saved
        return f"a kill would cost {unsaved:,} steps, {words_for_seconds(self._work(facts))} of work"

    def _overdue(self, facts: Facts) -> float:
        unsaved = facts.step - facts.saved
        by_clock = self._work(facts) / facts.save_seconds if facts.save_seconds else 0.0
        by_steps = unsaved / self._save_steps if self._save_steps else 0.0
        intervals = max(min(by_clock, unsaved), by_steps)  # nothing can be saved more often than at every step
        return min(intervals / (self._settings.overdue or math.inf), self._work(facts) / LEAST_WORK)

    def _overdue_words(self, facts: Facts) -> str:
        return f"the newest checkpoint is {facts.step - facts.saved:,} steps old"

    def _step_time(self, facts: Facts) -> float:
        return self._pace.step / self._pace.first / (self._settings.step_time or math.inf)

    def _step_time_words(self, facts: Facts) -> str:
        now, first = self._pace.step, self._pace.first
        return f"a step takes {_milliseconds(now)}, {now / first:.1f} times the {_milliseconds(first)} of the beginning"

    def _throughput(self, facts: Facts) -> float:
        if "step_time" in self._standing:  # one cause, one alarm
            return 1.0
        return self._pace.most * (self._settings.throughput or 0.0) / self._pace.speed

    def _throughput_words(self, facts: Facts) -> str:
        now, most = self._pace.speed, self._pace.most
        return f"{words_for_count(now)} tokens a second, {now / most:.0%} of the {words_for_count(most)} it once read"

    def _loss(self, facts: Facts) -> float:
        return self._trend.rise((self._settings.loss or math.inf) - 1)

    def _loss_words(self, facts: Facts) -> str:
        return f"the loss, smoothed, is {self._trend.now:.3f}; its best was {self._trend.best:.3f}"

    def _memory(self, facts: Facts) -> float:
        return facts.memory / (self._settings.memory or math.inf)

    def _memory_words(self, facts: Facts) -> str:
        return f"{facts.memory:.0%} of the memory is in use"

    def _disk(self, facts: Facts) -> float:
        return self._needed() / max(1, facts.disk_free)

    def _disk_words(self, facts: Facts) -> str:
        free, needed = words_for_bytes(facts.disk_free), words_for_bytes(self._needed())
        return f"{free} of the disk are free, and {needed} should be"

    def _needed(self) -> float:
        return max(self._room, 1e9 * (self._settings.disk_gb or 0.0))


class Pace:
    """How long a step takes and how much it reads, by medians: a single slow step moves nothing.

    step, speed: seconds and tokens per second of the latest RECENT steps.
    first:       seconds of the first BLOCK steps of this start; infinite before they were made.
    most:        tokens per second of the best BLOCK, or of earlier starts; 0 before one was made.
    """

    def __init__(self, usual_speed: float | None) -> None:
        self.step, self.speed = 0.0, math.inf
        self.first, self.most = math.inf, usual_speed or 0.0
        self._made = -WARM_UP
        self._seconds: deque[float] = deque(maxlen=BLOCK)
        self._speeds: deque[float] = deque(maxlen=BLOCK)

    def add(self, seconds: float, tokens: int) -> None:
        """Take in one more step."""
        self._made += 1
        if self._made <= 0 or not seconds > 0:
            return
        self._seconds.append(seconds)
        self._speeds.append(tokens / seconds)
        if self._made % HOP == 0:
            self._take_stock()

    def _take_stock(self) -> None:
        self.step = statistics.median(_latest(self._seconds))
        if self._made >= RECENT:
            self.speed = statistics.median(_latest(self._speeds))
        if self._made % BLOCK == 0:
            self.most = max(self.most, statistics.median(self._speeds))
            if self.first == math.inf:
                self.first = statistics.median(self._seconds)


class Trend:
    """The loss, smoothed, beside its own best.

    now, best: nats per token; infinite before LOSS_MEMORY steps. A loss that is no number is left out.
    """

    def __init__(self) -> None:
        self.now = self.best = math.inf
        self._smooth, self._jumps = Smooth(LOSS_MEMORY), Smooth(LOSS_MEMORY)
        self._last, self._left = math.nan, LOSS_MEMORY

    def add(self, loss: float) -> None:
        """Take in the loss of one more step."""
        if not math.isfinite(loss):
            return
        self._smooth.add(loss)
        self._jumps.add(abs(loss - self._last))
        self._last = loss
        self._left -= 1
        if self._left <= 0:
            self.now = self._smooth.value or 0.0
            self.best = min(self.best, self.now)

    def rise(self, part: float) -> float:
        """How far the loss rose above its best, as a multiple of `part` of the best, or of JUMPS from one step to the
        next where that is more: towards its end a loss is small, and a fifth of it is nothing."""
        if self.best == math.inf:
            return 0.0
        least = max(part * abs(self.best), JUMPS * (self._jumps.value or 0.0))
        return (self.now - self.best) / least if least else 0.0


def usual_speed(records: Iterable[Mapping[str, Any]], stage: str) -> float | None:
    """Median tokens per second of the latest steps of a stage in the journal; None where too few were made."""
    steps = (each for each in records if each["kind"] == "step" and each.get("stage") == stage)
    speeds = deque((each["tokens_per_second"] for each in steps if "tokens_per_second" in each), maxlen=BLOCK)
    return statistics.median(speeds) if len(speeds) == BLOCK else None


def _latest(values: deque[float]) -> list[float]:
    return list(islice(values, max(0, len(values) - RECENT), None))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else words_for_seconds(seconds)
