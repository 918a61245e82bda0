"""What robots.txt of each host allows (RFC 9309), read once and remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.robotparser import RobotFileParser

from holdfast.text.fetch.manners import Unfetched

AGENT = "holdfast"  # what a robots.txt calls us
LARGEST_BYTES = 512 * 1024  # the standard asks for at least 500 KiB


class Robots:
    """The rules of all hosts that were asked."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        """read: the bytes behind a URL, at most LARGEST_BYTES of them. Raises Unfetched."""
        self._read = read
        self._rules: dict[str, RobotFileParser] = {}
        self._guard = threading.Lock()

    def require(self, origin: str, url: str) -> float:
        """The pause in seconds that the host of `origin` (`https://host`) asks for, 0 if it says nothing.

        Raises Unfetched: final where the rules exclude this URL, and passing where they can not be read.
        """
        with self._guard:
            rules = self._rules.get(origin)
        if rules is None:
            rules = self._fetched(origin)
            with self._guard:
                self._rules[origin] = rules
        if not rules.can_fetch(AGENT, url):
            raise Unfetched(url, f"robots.txt of {origin} does not allow it", final=True)
        return float(rules.crawl_delay(AGENT) or 0)

    def _fetched(self, origin: str) -> RobotFileParser:
        """The rules as they are now. None there (4xx): everything is allowed. Out of order: nothing is, for now."""
        url = f"{origin}/robots.txt"
        rules = RobotFileParser(url)
        try:
            text = self._read(url).decode("utf-8", errors="replace")
        except Unfetched as error:
            if not error.final:
                why = f"robots.txt can not be read: {error.why}"
                raise Unfetched(url, why, final=False, later=error.later, status=error.status) from None
            text = ""
        rules.parse(text.removeprefix("\ufeff").splitlines())
        return rules
