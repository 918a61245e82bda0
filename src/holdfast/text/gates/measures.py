"""What can be counted in a text, each by a pure function, and the sample of a long one in which it is counted."""

from __future__ import annotations

import re

SAMPLE_CHARACTERS = 16_000  # as much of a text as is looked at closely: some 2,700 words
_PIECES = 16

_MEANINGLESS = re.compile(r"""[^\w\s.,;:!?'"()\[\]&*/—–‘’“”…-]|_(?=_)""")
LONG_LINE = 20  # shorter lines may come back: speakers, refrains, rules

# What sellers wrote under old books and in newspapers, and write on pages now.
_PHRASES = (
    "price one|price two|price three|price four|price five|price six|per bottle|per dozen|per box|per packet|post free"
    "|post-free|sold by all|to be had of|to be sold|testimonial|patent medicine|money refunded|money back"
    "|just published|lately published|crown 8vo|demy 8vo|cloth gilt|wholesale and retail|by all chemists"
    "|by all booksellers|beware of imitations|gratis on application|click here|buy now|add to cart|free shipping"
    "|subscribe now|subscribe today|sign up now|sign up today|order now|special offer|limited time|promo code"
)
_ADVERTISING = tuple(_PHRASES.split("|"))
_PRICE = re.compile(r"\b\d+s\. ?\d*d\.|[£$]\d")
_PIECE_CHARACTERS = 200  # a line this long counts as several


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
    """Phrases and prices of sellers for each line, or for each 200 characters of longer ones; at most 1."""
    pieces = sum(-(-len(line) // _PIECE_CHARACTERS) for line in text.split("\n") if line)
    small = text.lower()
    found = sum(map(small.count, _ADVERTISING)) + len(_PRICE.findall(text))
    return min(1.0, found / max(1, pieces))


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
