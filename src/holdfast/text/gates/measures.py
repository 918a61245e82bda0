"""What can be counted in a text, each by a pure function, and the sample of a long one in which it is counted."""

from __future__ import annotations

import re

SAMPLE_CHARACTERS = 64_000  # as much of a text as is looked at closely: its shares are known to half a per cent
_PIECES = 16

_MEANINGLESS = re.compile(r"""[^\w\s.,;:!?'"()\[\]&*/—–‘’“”…-]|_(?=_)""")
LONG_LINE = 20  # shorter lines may come back: speakers, refrains, rules

# What sellers wrote under old books and in newspapers, and write on pages now.
_ADVERTISING = re.compile(
    r"\b(?:price (?:one|two|three|four|five|six|\d+)|per (?:bottle|dozen|box|packet)|post[- ]free|sold by all"
    r"|to be had of|to be sold|testimonials?|patent medicines?|money (?:back|refunded)|just published|lately published"
    r"|crown 8vo|demy 8vo|cloth gilt|wholesale and retail|by all (?:chemists|booksellers)|beware of imitations"
    r"|gratis on application|click here|buy now|add to cart|free shipping|subscribe (?:now|today)"
    r"|sign up (?:now|today)|order now|special offer|limited time|discount|promo code|best price)\b"
    r"|\b\d+s\. ?\d*d\.|£\d",
    re.IGNORECASE,
)
_SENTENCE_CHARACTERS = 200  # a line this long counts as several


def sample(text: str) -> str:
    """A short text; of a long one sixteen pieces spread evenly, cut at words."""
    if len(text) <= SAMPLE_CHARACTERS:
        return text
    size = SAMPLE_CHARACTERS // _PIECES
    starts = [number * (len(text) - size) // (_PIECES - 1) for number in range(_PIECES)]
    return "\n".join([text[start : start + size].partition(" ")[2].rpartition(" ")[0] for start in starts])


def meaningful(text: str) -> float:
    """The share of letters, digits, white space and punctuation; 1 for an empty text."""
    return 1 - len(_MEANINGLESS.findall(text)) / max(1, len(text))


def advertising(text: str) -> float:
    """The share of lines, or of stretches of 200 characters in longer ones, that advertise."""
    found = total = 0
    for line in text.split("\n"):
        if not line or line.isspace():
            continue
        pieces = -(-len(line) // _SENTENCE_CHARACTERS)
        total += pieces
        found += min(pieces, len(_ADVERTISING.findall(line)))
    return found / max(1, total)


def repeated(text: str) -> float:
    """The share of a text in lines of 20 characters or more that came before: the duplicate line character fraction
    of Rae et al. (2021, arXiv:2112.11446, appendix A). A text in one line is looked at by its sentences."""
    lines = text.split("\n")
    if len(lines) < 5:
        lines = text.replace(". ", ".\n").split("\n")
    seen: set[str] = set()
    again = total = 0
    for line in lines:
        size = len(line)
        total += size
        if size >= LONG_LINE:
            if line in seen:
                again += size
            else:
                seen.add(line)
    return again / max(1, total)
