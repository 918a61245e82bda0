"""Numbers derived from what a run measured, each with its unit, and how people read them."""

from __future__ import annotations

import math
import time

import psutil


class Smooth:
    """Exponential moving average without a bias towards its start (Kingma and Ba 2015, section 3).

    memory: how many values it looks back over, roughly. A value that is not finite is left out.
    """

    def __init__(self, memory: int = 50) -> None:
        self._keep = 1 - 1 / memory
        self._sum = 0.0
        self._weight = 0.0

    def add(self, value: float) -> None:
        """Take in one more value."""
        if math.isfinite(value):
            self._sum = self._keep * self._sum + (1 - self._keep) * value
            self._weight = self._keep * self._weight + (1 - self._keep)

    @property
    def value(self) -> float | None:
        """The average, None before the first finite value."""
        return self._sum / self._weight if self._weight else None


def perplexity(nats_per_token: float) -> float:
    """How many equally likely tokens the model hesitates between; infinite rather than an overflow."""
    return math.exp(nats_per_token) if nats_per_token < 700 else math.inf


def bits_per_byte(nats_per_token: float, bytes_per_token: float) -> float:
    """Loss made independent of the tokenizer: bits to spell one byte of text."""
    return nats_per_token / (math.log(2) * bytes_per_token)


def resident_bytes() -> int:
    """Memory that this process occupies now."""
    return int(psutil.Process().memory_info().rss)


def words_for_count(number: float) -> str:
    """1234567 -> `1.23M`: three digits that matter."""
    for scale, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= scale * 0.9995:
            return f"{_three_digits(number / scale)}{letter}"
    return _three_digits(number)


def words_for_bytes(size: float) -> str:
    """1234567 -> `1.23 MB`, in powers of ten as disks are sold and as `ls --si` prints."""
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(size) >= scale * 0.9995:
            return f"{_three_digits(size / scale)} {unit}"
    return f"{size:.0f} B"


def words_for_seconds(seconds: float) -> str:
    """Two units at most: `42s`, `3m12s`, `2h05m`, `34d06h`."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def words_for_clock(moment: float, now: float) -> str:
    """A moment in seconds since 1970 as local clock time, with the date when it is not today."""
    then, today = time.localtime(moment), time.localtime(now)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%b %d %H:%M", then)


def _three_digits(number: float) -> str:
    size = abs(number)
    if size >= 99.95 or number == round(number):
        return f"{number:.0f}"
    return f"{number:.1f}" if size >= 9.995 else f"{number:.2f}"
