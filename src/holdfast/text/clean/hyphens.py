"""Words that a printer divided at the end of a line."""

from __future__ import annotations

import re
from collections.abc import Set

from holdfast.text.clean.words import counted

_DIVIDED = re.compile(r"(?<![\w'’-])([^\W\d_]+)-[ \t]*\n[ \t]*([^\W\d_]+)(?![\w'’-])([^\w\s-]*)([ \t](?=\S))?")
# The soft hyphen, and the not sign that the Internet Archive writes for one: neither is ever part of a word.
_MARKED = re.compile("(?<=[^\\W\\d_])[\u00ad¬][ \t]*\n[ \t]*([^\\W\\d_]\\S*)([ \t](?=\\S))?")


def hyphens(text: str, known: Set[str] = frozenset()) -> str:
    """A divided word is joined if it occurs elsewhere whole, here or among the known words, and nowhere with a hyphen.

    The rest of the second line stays on it. A hyphen that may be the author's stays as well.
    """
    if "\u00ad" in text or "¬" in text:
        count = 1
        while count:  # a word may be divided twice
            text, count = _MARKED.subn(lambda match: match[1] + ("\n" if match[2] else ""), text)
        text = text.replace("\u00ad", "")
    if "-" not in text or not _DIVIDED.search(text):
        return text
    seen = counted(text)

    def joined(match: re.Match[str]) -> str:
        first, second, rest, space = match.groups()
        whole, divided = (first + second).lower(), f"{first}-{second}".lower()
        if divided in seen or not (whole in seen or whole in known):
            return match[0]
        return first + second + rest + ("\n" if space else "")

    return _DIVIDED.sub(joined, text)
