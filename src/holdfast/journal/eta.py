"""When will it be done? From the times of the latest steps, and beside them what is done between steps.

A save or an evaluation does not move the estimate of the stepping; what they add is said apart. After a restart the
steps of the earlier start speak until there are new ones.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

WINDOW = 200  # steps: many enough to be calm, few enough to notice that the machine got slower
WARM_UP = 2  # first steps of a start allocate and compile, and say nothing about the rest
FEWEST = 5
FREAK = 5  # times the median: a longer step is a laptop that slept, not the pace of the run
UNSURE = 0.5  # half-width of the interval, relative, from which on no estimate is better than a wrong one
FLOOR = 0.05  # no interval is narrower: the pace of a machine is never known better
TRUSTED = 20  # steps of this start from which on those of earlier ones do not count: it may be another machine


class Estimate(NamedTuple):
    """Seconds of stepping that are left, and the interval they lie in with about 95 % confidence.

    beside: what evaluations, samples and the waiting for saves will add, if they go on to take what they took.
    """

    seconds: float
    low: float
    high: float
    beside: float = 0.0


class Eta:
    """Watches the durations of steps and says how long the rest will take.

    earlier: seconds of the latest steps of an earlier start, oldest first.
    """

    def __init__(self, earlier: Iterable[float] = ()) -> None:
        self._warm_up = WARM_UP
        self._times: deque[float] = deque(maxlen=WINDOW)
        self._earlier: deque[float] = deque(filter(_sound, earlier), maxlen=WINDOW)
        self._steps = 0
        self._beside = 0.0

    def observe(self, seconds: float) -> None:
        """One more step was done, in `seconds` of its own, without what happened between steps."""
        self._steps += 1
        if self._warm_up:
            self._warm_up -= 1
        elif _sound(seconds):
            self._times.append(seconds)

    def pause(self, seconds: float) -> None:
        """Between two steps something else was done for so long."""
        if _sound(seconds):
            self._beside += seconds

    def estimate(self, steps_left: int) -> Estimate | None:
        """The rest of the run, or None as long as it is anybody's guess.

        The pace is the mean of the window with every time cut at a multiple of the median: the sum of what is left
        follows the mean, and a single freak must not move it.
        """
        known = [*self._earlier, *self._times] if len(self._times) < TRUSTED else list(self._times)
        if len(known) < FEWEST:
            return None
        cut = FREAK * statistics.median(known)
        times = [min(seconds, cut) for seconds in known]
        mean = statistics.fmean(times)
        half = max(FLOOR, 2 * statistics.stdev(times, mean) / math.sqrt(len(times)) / mean)
        if half > UNSURE:
            return None
        left = steps_left * mean
        beside = steps_left * self._beside / self._steps if self._steps else 0.0
        return Estimate(left, left * (1 - half), left * (1 + half), beside)


def _sound(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0
