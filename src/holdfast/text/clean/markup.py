"""Left-over tags of HTML, SGML and TEI, and character references.

A tag is believed when its name is one of these languages' and it is closed somewhere, or can not be: so `<i>` without
`</i>`, `a < b` and `<unk>` stay. Off unless asked for: a text about markup is full of it.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

from holdfast.text.clean.words import listed

_NAMES = listed(
    "a abbr address article aside b big blockquote body caption center cite code col colgroup dd del dfn div dl dt em "
    "fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header html i ins kbd label legend li main "
    "map nav ol option p pre q s samp section select small span strike strong sub sup table tbody td tfoot th thead "
    "title tr tt u ul var "
    "ab add argument back bibl byline castlist choice closer corr date dateline desc div1 div2 div3 div4 div5 div6 "
    "div7 docauthor docdate docimprint docedition doctitle epigraph expan foreign front gap group hi imprimatur item "
    "l lg list letter name note num opener orig persname placename postscript q reg ref role row cell rs said salute "
    "seg sic signed sp speaker stage supplied tei tei.2 text titlepage titlepart trailer unclear w"
)
_EMPTY = listed("br hr img input meta link wbr pb lb cb milestone ptr anchor gap figdesc")
_BLOCK = listed(
    "address article blockquote body br caption center dd div div1 div2 div3 div4 div5 div6 div7 dl dt figure h1 h2 "
    "h3 h4 h5 h6 head hr html item l lb lg li list ol p pre row sp speaker stage table td th tr ul"
)
_TAG = re.compile(
    r"<(/?)([A-Za-z][A-Za-z0-9.]*)((?:\s+[\w:.-]+(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=]+))?)*)\s*(/?)>"
)
# What stands between these is not for readers.
_UNSEEN = tuple(
    (re.compile(first, re.IGNORECASE), re.compile(last, re.IGNORECASE))
    for first, last in (
        ("<!--", "-->"),
        (r"<script\b", r"</script\s*>"),
        (r"<style\b", r"</style\s*>"),
        (r"<!DOCTYPE\b", ">"),
        (r"<\?xml\b", r"\?>"),
    )
)
_REFERENCE = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#\d{2,7}|#[xX][0-9A-Fa-f]{2,6});")


def markup(text: str) -> str:
    """The text without tags and with characters for references; lines end where blocks end."""
    before = None
    while text != before:  # &amp;mdash; was written twice
        before = text
        if "<" in text:
            text = _untagged(_without_unseen(text))
        if "&" in text:
            text = _REFERENCE.sub(_character, text)
    return text


def _without_unseen(text: str) -> str:
    for first, last in _UNSEEN:
        pieces, done = [], 0
        while (start := first.search(text, done)) and (end := last.search(text, start.end())):
            pieces.append(text[done : start.start()])
            done = end.end()
        text = "".join([*pieces, text[done:]]) if pieces else text
    return text


def _untagged(text: str) -> str:
    opened: set[str] = set()
    closed: set[str] = set()
    for match in _TAG.finditer(text):
        (closed if match[1] else opened).add(match[2].lower())
    believed = (_NAMES & opened & closed) | (_EMPTY & opened)
    if not believed:
        return text

    def replaced(match: re.Match[str]) -> str:
        name = match[2].lower()
        if name not in believed:
            return match[0]
        return "\n" if name in _BLOCK else ""

    return _TAG.sub(replaced, text)


def _character(match: re.Match[str]) -> str:
    """What is referred to; never an angle bracket, which would make a tag of what was written to be read."""
    name = match[0][1:]
    character = html.unescape(match[0]) if name[0] == "#" else html5.get(name, match[0])
    return match[0] if "<" in character or ">" in character else character
