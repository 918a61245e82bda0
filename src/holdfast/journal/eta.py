"""When will it be done? From the times of the latest steps alone, so that a save or an evaluation does not move it."""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import NamedTuple

WINDOW = 200  # steps: many enough to be calm, few enough to notice that the machine got slower
WARM_UP = 2  # first steps of a start allocate and compile, and say nothing about the rest
FEWEST = 5
FREAK = 5  # times the median: a longer step is a laptop that slept, not the pace of the run
UNSURE = 0.5  # half-width of the interval, relative, from which on no estimate is better than a wrong one
FLOOR = 0.05  # no interval is narrower: the pace of a machine is never known better


class Estimate(NamedTuple):
    """Seconds of stepping that are left, and the interval they lie in with about 95 % confidence."""

    seconds: float
    low: float
    high: float


class Eta:
    """Watches the durations of steps and says how long the rest will take."""

    def __init__(self) -> None:
        self._warm_up = WARM_UP
        self._times: deque[float] = deque(maxlen=WINDOW)

    def observe(self, seconds: float) -> None:
        """One more step was done, in `seconds` of its own, without what happened between steps."""
        if self._warm_up:
            self._warm_up -= 1
        elif math.isfinite(seconds) and seconds > 0:
            self._times.append(seconds)

    def estimate(self, steps_left: int) -> Estimate | None:
        """The rest of the run, or None as long as it is anybody's guess.

        The pace is the mean of the window with every time cut at a multiple of the median: the sum of what is left
        follows the mean, and a single freak must not move it.
        """
        if len(self._times) < FEWEST:
            return None
        cut = FREAK * statistics.median(self._times)
        times = [min(seconds, cut) for seconds in self._times]
        mean = statistics.fmean(times)
        half = max(FLOOR, 2 * statistics.stdev(times, mean) / math.sqrt(len(times)) / mean)
        if half > UNSURE:
            return None
        left = steps_left * mean
        return Estimate(left, left * (1 - half), left * (1 + half))
