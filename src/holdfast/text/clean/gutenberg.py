"""What Project Gutenberg puts around its books, as it did so since 1991.

    since 2002    *** START OF THE PROJECT GUTENBERG EBOOK X *** ... *** END OF THE PROJECT GUTENBERG EBOOK X ***
    until 2003    a notice that ends in *END*THE SMALL PRINT! ...*END*, the book, "End of the Project Gutenberg Etext"

Behind the first line stand credits and notes of those who transcribed the book, before the last one "End of Project
Gutenberg's X". All of this goes where it can be recognised, and nothing else.
"""

from __future__ import annotations

import re

_EDGE = re.compile(
    r"^\*{3}[ ]?(?P<edge>START|END) OF (?:THE|THIS) PROJECT GUTENBERG E-?(?:BOOK|TEXT)[^\n]*(?:\n[^\n*]+)?\*{3}[ ]*$",
    re.MULTILINE | re.IGNORECASE,
)
_SMALL_PRINT = re.compile(r"^\*{1,3} ?END[* ]{1,3}THE SMALL PRINT![^\n]*(?:\n[^\n*]+)?END ?\*{1,3}[ ]*$", re.MULTILINE)
_HEADER = "project gutenberg e"  # ... text, ...book: somewhere above the small print of a header

_LAST_WORDS = re.compile(
    r"^(?:The )?End of (?:the |this )?Project Gutenberg(?:['’]s| E-?(?:book|text))[^\n]*(?:\n[^\n]+)*\s*\Z",
    re.MULTILINE | re.IGNORECASE,
)
_IN_A_BOOK = re.compile(r"^End of (?:the )?Project Gutenberg[^\n]*(?:\n[^\n]+)*\s*\Z", re.MULTILINE | re.IGNORECASE)
_LAST_WORDS_CHARACTERS = 1000

_CREDITS = re.compile(
    r"\A\s*(?:"
    r"(?:(?:Text file|This e-?(?:text|book) was|Etext) )?"
    r"(?:Produced|E-?text prepared|Prepared|Transcribed|Scanned) (?:and [a-z]+ )?by "
    r"|Transcribed from the [^\n]*edition"
    r"|(?:HTML|PDF|Revised|Updated) (?:version|edition|editions) (?:produced |prepared )?by "
    r"|Copyright \([Cc]\) (?:19[7-9]|20)\d\d\b"
    r"|This e-?(?:text|book) is (?:courtesy|based|copyright)"
    r"|Note: (?:Project Gutenberg|Images of the original)"
    r")[^\n]*(?:\n[^\n]+)*",
    re.IGNORECASE,
)
_MOST_CREDITS = 6  # paragraphs
_NOTE = re.compile(
    r"^[ \t]*\**(?:Transcriber|Transcription|Preparer|Proofreader|Producer|E-?text Editor)(?:['’]?s|s['’])? notes?\b"
    r"[^\n]*",
    re.MULTILINE | re.IGNORECASE,
)
_BRACKETED = re.compile(r"\[_?Transcriber(?:['’]?s|s['’])? notes?\b[^\[\]]{0,1500}\]\n?", re.IGNORECASE)
_NOTE_CHARACTERS = 3000
_NEAR_AN_EDGE = 6000  # characters


def gutenberg(text: str) -> str:
    """Only the book, of a file of Project Gutenberg; any other text as it is."""
    if "***" in text or "SMALL PRINT" in text:
        edges = list(_edges(text))
        if edges:
            text = _books(text, edges)
    if "ranscriber" in text or "RANSCRIBER" in text:
        text = _BRACKETED.sub("", text)
    tail = max(0, len(text) - _LAST_WORDS_CHARACTERS)
    if "Gutenberg" in text[tail:] or "GUTENBERG" in text[tail:]:
        kept = _LAST_WORDS.sub("", text[tail:])
        if len(kept) < len(text) - tail:
            text = (text[:tail] + kept).rstrip("\n") + "\n"
    return text


def _edges(text: str) -> list[tuple[str, int, int]]:
    """(START or END, first, behind the last character) of the lines around books, in order."""
    edges = [(match["edge"].upper(), match.start(), match.end()) for match in _EDGE.finditer(text)]
    if edges or "SMALL PRINT" not in text:
        return edges
    found = _SMALL_PRINT.search(text)
    if found is None or _HEADER not in text[: found.start()].lower():
        return []
    return [("START", found.start(), found.end())]


def _books(text: str, edges: list[tuple[str, int, int]]) -> str:
    bodies = []
    inside = 0 if edges[0][0] == "END" else None
    for edge, start, end in edges:
        if inside is not None:
            bodies.append(_body(text[inside:start], credited=inside > 0))
        inside = end if edge == "START" else None
    if inside is not None:
        bodies.append(_body(text[inside:], credited=True))
    return "\n\n".join(bodies) + "\n"


def _body(text: str, credited: bool) -> str:
    if credited:
        for _ in range(_MOST_CREDITS):
            text, count = _CREDITS.subn("", text, count=1)
            if not count:
                break
        text = _without_note(text, 0, _NEAR_AN_EDGE)
    tail = max(0, len(text) - _LAST_WORDS_CHARACTERS)
    text = (text[:tail] + _IN_A_BOOK.sub("", text[tail:])).strip("\n")
    return _without_note(text, max(0, len(text) - _NEAR_AN_EDGE), len(text)).strip("\n")


def _without_note(text: str, first: int, last: int) -> str:
    """Without the transcriber's note whose heading stands between two places: up to two empty lines, or to the end."""
    heading = _NOTE.search(text, first, last)
    if heading is None:
        return text
    end = text.find("\n\n\n", heading.end() + 3)
    end = len(text) if end < 0 else end
    if end - heading.start() > _NOTE_CHARACTERS:
        return text
    return text[: heading.start()].rstrip("\n") + "\n\n\n" + text[end:].lstrip("\n")
