"""How numbers are written for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

SHARES = ("exact_match", "stops_by_itself", "distinct_2", "repeated_4")  # metrics that lie between 0 and 1

_SCALES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def compact(value: float) -> str:
    """At most four digits and a letter: 0.25, 950, 12k, 3.4M, 1.2B."""
    for scale, letter in _SCALES:
        if abs(value) >= scale * (10 if letter == "k" else 1):
            return f"{value / scale:.3g}{letter}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def duration(seconds: float) -> str:
    """The two largest units: 0.4 s, 48 s, 9 min 05 s, 1 h 12 min, 2 d 3 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def score(value: float | None, metric: str) -> str:
    """A score in its own manner: shares in percent, everything else with three decimals, a dash for none."""
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if metric in SHARES else f"{value:.3f}"


def moment(value: Any) -> str:
    """A time as the journal or a manifest has it (seconds since 1970, or text) to the second."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return "" if value is None else str(value)


def plain(value: Any) -> str:
    """Any other fact: grouped digits for whole numbers, yes and no, a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
