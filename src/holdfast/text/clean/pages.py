"""What a printer puts around a page: its number, a running head, a signature, the catchword for the binder."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

FEWEST_PAGES = 4  # numbers that rise together before they are believed to be page numbers
MOST_MISSED = 20  # by how much a number may rise where the pages between were misread
SMALLEST_PAGE, LARGEST_PAGE = 700, 8000  # characters from one page number to the next
LONGEST_HEAD = 70  # characters
FEWEST_HEADS = 8  # times that a line without a number comes back before it is believed to be a running head
CAPITALS = 0.7  # share of the letters of such a line
REGULAR = (0.6, 1.6)  # of the usual distance between two of them, for all but a fifth
MOST_TITLES = 2  # on a left and a right page

# A number alone, perhaps in brackets, between dashes or behind `Page`; or a number with a title before or behind it.
_ALONE = r"[\[({]?(?:[Pp]age|PAGE|[Pp][Gg]?\.)? ?[-–—]{0,2} ?(?P<alone>\d{1,4}) ?[-–—]{0,2}[\])}]?\.?"
_HEAD = (
    r"(?:(?P<before>\d{1,4})[.,\]]? +(?P<right>[^\W\d_][^\n]{2,}?)"
    r"|(?P<left>[^\W\d_][^\n]{2,}?)[.,]? +\[?(?P<behind>\d{1,4})\]?)"
)
_NUMBERED = re.compile(rf"^[ \t]*(?:{_ALONE}|(?=[^\n]{{4,{LONGEST_HEAD}}}$){_HEAD})[ \t]*$", re.MULTILINE)
_INLINE = re.compile(r" ?\[[Pp]g\.? ?\d{1,4}\]")  # as Project Gutenberg marks pages inside of paragraphs
_SIGNATURE = re.compile(r"([A-HK-Z])\1?(?:[1-9]| (?:[1-9]|i{1,3}j?|iv|v))?\.?")  # B, B2, Cc 3, D iij; never I or J
_DIVISION = re.compile(
    r"(?:chap|chapter|letter|book|part|section|sect|act|scene|canto|volume|vol|no|number|psalm|p)\b", re.I
)
_SHORT_LINE = re.compile(rf"^[^\n]{{4,{LONGEST_HEAD}}}$", re.MULTILINE)
_NO_LETTER = re.compile(r"[\W\d_]+")


class _Mark(NamedTuple):
    start: int
    end: int
    number: int
    title: str


def page_numbers(text: str) -> str:
    """Lines go that hold a page number, alone or beside a running head, and the signature or catchword next to it.

    Numbers are believed where four or more rise together, with about as much text from each to the next. So a
    year, a chapter or a row of a table stays. A paragraph that a page cut in two is whole again.
    """
    if "[" in text and _INLINE.search(text):
        text = _INLINE.sub("", text)
    while chains := _chains(_marks(text)):  # two volumes may hide each other's numbers
        text = _without([(mark.start, mark.end) for chain in chains for mark in chain], text)
    return text


def _marks(text: str) -> list[_Mark]:
    """Every line that may be a page number. With a title only where that comes back."""
    found = []
    for match in _NUMBERED.finditer(text):
        title = match["right"] or match["left"] or ""
        if not _DIVISION.match(title):
            number = match["alone"] or match["before"] or match["behind"]
            found.append(_Mark(match.start(), match.end(), int(number), _NO_LETTER.sub("", title).lower()))
    times = Counter(mark.title for mark in found)
    return [mark for mark in found if not mark.title or times[mark.title] >= FEWEST_PAGES // 2]


def _chains(marks: list[_Mark]) -> list[list[_Mark]]:
    """Marks whose numbers rise by one, or a little more, with a page of text for each."""
    chains: list[list[_Mark]] = []
    ending: dict[int, list[_Mark]] = {}  # the newest chain that ends in a number
    for mark in marks:
        for missed in range(1, MOST_MISSED + 1):
            chain = ending.get(mark.number - missed)
            if chain and missed * SMALLEST_PAGE <= mark.start - chain[-1].end <= missed * LARGEST_PAGE:
                del ending[mark.number - missed]
                break
        else:
            chain = []
            chains.append(chain)
        chain.append(mark)
        ending[mark.number] = chain
    return [chain for chain in chains if len(chain) >= FEWEST_PAGES and _are_pages(chain)]


def _are_pages(chain: list[_Mark]) -> bool:
    """True where pages are about as long as each other, and have one or two titles at their heads."""
    lengths = [(after.start - before.end) / (after.number - before.number) for before, after in pairwise(chain)]
    return _even(lengths) and len({mark.title for mark in chain if mark.title}) <= MOST_TITLES


def _without(lines: list[tuple[int, int]], text: str) -> str:
    """The text without some of its lines, given as (start, end), and without what else stands at the edge of a page."""
    starts = sorted(lines)
    ends = [0, *(end for _, end in starts)]
    pages = [text[end:start] for end, (start, _) in zip(ends, [*starts, (len(text), 0)], strict=True)]
    parts = [pages[0]]
    for following in pages[1:]:
        before, after = parts[-1].rstrip(), following.lstrip()
        indent = following[: len(following) - len(after)].rpartition("\n")[2]
        above, _, last = before.rpartition("\n")
        if above and after and _is_edge(last.strip(), after):
            before = above.rstrip()
        parts[-1] = before
        runs_on = before[-1:].isalpha() or before[-1:] in (",", ";", "-", "¬", "\u00ad")
        parts += ["\n" if runs_on and after[:1].islower() else "\n\n", indent + after]
    return "".join(parts)


def _is_edge(line: str, after: str) -> bool:
    """True for a signature, and for a catchword: the word with which the next page begins."""
    return bool(_SIGNATURE.fullmatch(line)) or (" " not in line and len(line) > 1 and after.startswith(line))


def running_heads(text: str) -> str:
    """Lines in capitals go that come back page after page, at even distances, between empty lines.

    Speakers of a play come back unevenly, headings of chapters too far apart: they stay.
    """
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for match in _SHORT_LINE.finditer(text):
        line = match[0]
        around = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 2]
        if (
            around in (("\n\n", "\n\n"), ("", "\n\n"))
            and line.upper() == line
            and len(_NO_LETTER.sub("", line)) >= CAPITALS * len(line.strip())
        ):
            places[line.strip()].append(match.span())
    heads = [span for spans in places.values() if len(spans) >= FEWEST_HEADS and _stand_even(spans) for span in spans]
    return _without(heads, text) if heads else text


def _stand_even(spans: list[tuple[int, int]]) -> bool:
    """True where lines stand a page apart, or two where heads alternate."""
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    return SMALLEST_PAGE <= median(gaps) <= 2 * LARGEST_PAGE and _even(gaps)


def _even(lengths: Sequence[float]) -> bool:
    """True where nearly all are about as long as the usual one."""
    low, high = (share * median(lengths) for share in REGULAR)
    return sum(low <= length <= high for length in lengths) >= 0.8 * len(lengths)
