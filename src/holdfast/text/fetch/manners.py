"""How to take a refusal: what may pass and what will not, how long to wait, and how long a server asked to wait.

Pure functions; who waits is `client`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from holdfast.base.draws import draw
from holdfast.base.faults import DataFault

FIRST_WAIT_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 120.0
_MAY_PASS = (408, 425, 429)  # timeout, too early, too many requests
_WILL_NOT = (501, 505)  # among those of servers in trouble: what they never learned
_JITTER_STEPS = 1 << 20


class Unfetched(DataFault):
    """A request that gave nothing usable.

    why:    a few words for people.
    final:  asking again would give the same; otherwise it may pass.
    later:  it may pass, but not within the time we wait.
    status: what the server said, if it said anything.
    """

    def __init__(self, url: str, why: str, *, final: bool, later: bool = False, status: int | None = None) -> None:
        remedy = "check the address" if final else "try again later; is this machine connected?"
        super().__init__(f"{url}: {why}", remedy)
        self.url = url
        self.why = why
        self.final = final
        self.later = later
        self.status = status


def may_pass(status: int) -> bool:
    """Whether an answer of this status may be another one later (RFC 9110, section 15)."""
    return status in _MAY_PASS or (500 <= status < 600 and status not in _WILL_NOT)


def backoff(url: str, tried: int) -> float:
    """Seconds to wait after a request failed for the `tried`-th time, from 0: doubling, and spread over its upper half,
    so that many who failed together do not come back together. A pure function of its arguments."""
    full: float = min(FIRST_WAIT_SECONDS * 2.0 ** min(tried, 60), LONGEST_BACKOFF_SECONDS)
    share = draw(tried, "back-off", url) % _JITTER_STEPS / _JITTER_STEPS
    return full * (0.5 + 0.5 * share)


def asked_to_wait(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date (RFC 9110, section 10.2.3); None where there
    is none that can be read.

    headers: with names in lower case. wall: the time here, used where the server does not tell its own.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:12])
    moment = _moment(said)
    if moment is None:
        return None
    theirs = _moment(headers.get("date", ""))
    return max(0.0, moment - (wall if theirs is None else theirs))


def _moment(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):  # what it raises differs with the version of Python
        return None
    return found if math.isfinite(found) else None
