"""Where a training stage stands, gathered from the journal's records, and how that reads in one line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from holdfast.journal.eta import Eta
from holdfast.journal.metrics import (
    Smooth,
    resident_bytes,
    words_for_bytes,
    words_for_clock,
    words_for_count,
    words_for_seconds,
)

BETWEEN_STEPS = ("eval", "sample", "checkpoint")


class Standing:
    """One stage in one start of the run. Moments are seconds since 1970, as in the records.

    saved:   when the state in the newest checkpoint was, or when the stage began: what came after is at risk.
    earlier: seconds of the latest steps that an earlier start made.
    """

    def __init__(self, stage: str, began: float, earlier: Iterable[float] = ()) -> None:
        self.stage = stage
        self.began = began
        self.saved = began
        self.has_saved = False
        self.step = 0
        self.total: int | None = None
        self._last: dict[str, Any] = {}
        self._loss = Smooth()
        self._eta = Eta(earlier)
        self._paused = False  # something else than a step was done since the last one
        self._alarms: dict[str, None] = {}  # that were raised and are not over, oldest first

    def take(self, record: dict[str, Any]) -> None:
        """Learn from a step, a checkpoint or an alarm of this stage."""
        self._paused |= record["kind"] in BETWEEN_STEPS
        if record["kind"] == "checkpoint":
            self.saved, self.has_saved = record["time"] - record.get("seconds", 0.0), True
        elif record["kind"] == "step":
            self._time(record)
            self._last = record
            self.step, self.total = record["step"], record.get("total_steps")
            if (loss := record.get("loss")) is not None:
                self._loss.add(loss)
        elif record.get("event") == "alarm":
            if record["over"]:
                self._alarms.pop(record["alarm"], None)
            else:
                self._alarms[record["alarm"]] = None

    def _time(self, step: dict[str, Any]) -> None:
        """How long a step took, and what was done between it and the one before."""
        if (milliseconds := step.get("step_ms")) is None:
            return
        self._eta.observe(milliseconds / 1000)
        if self._paused and self._last and step["step"] == self.step + 1:
            self._eta.pause(step["time"] - self._last["time"] - milliseconds / 1000)
        self._paused = False

    @property
    def is_last(self) -> bool:
        """True when no step is left."""
        return self.total is not None and self.step >= self.total

    def where(self) -> str:
        """`1,234/5,000 24%`"""
        if not self.total:
            return f"{self.step:,}"
        return f"{self.step:,}/{self.total:,} {100 * self.step // self.total}%"

    def time(self, now: float) -> str:
        """`3m12s<9m40s +1m05s between steps, done 14:31 to 14:34`: elapsed, what is left of stepping, what evaluations
        and saves will add, and the clock when all of it will have ended."""
        elapsed = words_for_seconds(now - self.began)
        if self.is_last or self.total is None:
            return elapsed
        estimate = self._eta.estimate(self.total - self.step)
        if estimate is None:
            return f"{elapsed}<calculating"
        beside = f" +{words_for_seconds(estimate.beside)} between steps" if estimate.beside >= 1 else ""
        ends = (now + estimate.beside + seconds for seconds in (estimate.low, estimate.high))
        earliest, latest = (words_for_clock(moment, now) for moment in ends)
        ends_words = earliest if earliest == latest else f"{earliest} to {latest}"
        return f"{elapsed}<{words_for_seconds(estimate.seconds)}{beside}, done {ends_words}"

    def facts(self, now: float) -> list[str]:
        """What was measured, in short words with units; what is not known is left out."""
        found = []
        loss = self._last.get("loss")
        if loss is not None:
            shown = self._loss.value if math.isfinite(loss) else loss
            found.append(f"loss {shown:.4f}")
        if (rate := self._last.get("learning_rate")) is not None:
            found.append(f"lr {rate:.2e}")
        if (norm := self._last.get("grad_norm")) is not None:
            found.append(f"grad {norm:.2f}")
        if (speed := self._last.get("tokens_per_second")) is not None:
            found.append(f"{words_for_count(speed)} tok/s")
        found.append(words_for_bytes(resident_bytes()))
        age = words_for_seconds(now - self.saved)
        found.append(f"saved {age} ago" if self.has_saved else f"not saved for {age}")
        if self._alarms:
            found.append(f"ALARM {', '.join(self._alarms)}".replace("_", " "))
        return found
