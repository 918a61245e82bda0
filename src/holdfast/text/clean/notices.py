"""What libraries put around and between the pages they scanned or typed: none of it is a word of the book.

Google Books' introduction in its three languages, the lines that Google, HathiTrust and the Internet Archive stamp on
pages, and the notices of the Text Creation Partnership (textcreationpartnership.org) on its own transcriptions.
"""

from __future__ import annotations

import re

_GOOGLE_CHARACTERS = 7000  # the introduction, from its first words to the address at its end
_GOOGLE_FIRST = re.compile(
    r"^[^\n]*(?:This is a digital copy of a book that was preserved for generations"
    r"|Dies ist ein digitales Exemplar eines Buches"
    r"|Ceci est une copie num.{1,3}rique d['’ ]+un ouvrage)",
    re.MULTILINE,
)
_GOOGLE_LAST = re.compile(r"books ?\. ?google ?\. ?(?:com|fr|de)[^\n]*")

# A line of its own. No such words were printed before there were such libraries.
_STAMP = re.compile(
    r"^[ \t]*(?:"
    r"Digitized by the Internet Archive\n+[ \t]*in \d{4}(?: with funding from)?(?:\n+[^\n]{1,60})?\n+[ \t]*https?://[^\n]*archive\.org[^\n]*"
    r"|Digitized by (?:the )?(?:Google|Internet Archive|Microsoft|\S*OO\S*(?: \S{1,5})?)"
    r"|https?://(?:www\.)?archive\.org/details/\S+"
    r"|Generated (?:on|for|at) [^\n]*(?:\bGMT\b|hathitrust|hdl\.handle\.net)[^\n]*"
    r"|https?://hdl\.handle\.net/\d+/\S+"
    r"|(?:Public Domain|Creative Commons|Open Access)[^\n]*(?:hathitrust|Google-digitized)[^\n]*"
    r"|https?://(?:www\.)?hathitrust\.org/\S+"
    r"|Original from(?:\n+(?=[^\n]*(?:University|UNIVERSITY|Library|LIBRARY))[^\n]{1,60})"
    r")[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
_MARKS = ("Digitized by", "://", "Original from")

_TCP_MARKS = ("TCP", "Text Creation", "Permission must be")
# Each is the beginning of a paragraph that the partnership wrote about its texts.
_TCP = re.compile(
    r"^[ \t]*(?:"
    r"This keyboarded and encoded edition of the\s+work described above is co-owned"
    r"|(?:EEBO|ECCO|Evans)-TCP is a partnership between"
    r"|EEBO-TCP aimed to produce"
    r"|The EEBO-TCP project was divided into"
    r"|The general aim of EEBO-TCP is"
    r"|Users should be aware of the process of creating the TCP texts"
    r"|Users should bear in mind that in all likelihood such instances will never have been looked at by a TCP editor"
    r"|The texts were encoded and linked to page images in accordance with"
    r"|Copies of the texts have been issued variously as SGML"
    r"|Keying and markup guidelines are available"
    r"|Quality assurance was (?:then )?carried out by editorial teams"
    r"|Transcribed from: \(Early English Books Online|Images scanned from microfilm"
    r"|\((?:EEBO|ECCO)-TCP ; phase \d"
    r"|This text has been selected for inclusion in the EEBO-TCP"
    r"|To the extent possible under law, the Text Creation Partnership"
    r"|Issued variously as SGML \(TCP"
    r"|These pages may be freely searched and displayed\. +Permission must be received"
    r")[^\n]*(?:\n[^\n]+)*\n?",
    re.MULTILINE,
)


def notices(text: str) -> str:
    """The text without the notices of those who digitised it."""
    google = "oogle" in text
    if google:
        text = _without_introduction(text)
    if google or any(mark in text for mark in _MARKS):
        text = _STAMP.sub("", text)
    return _TCP.sub("", text) if any(mark in text for mark in _TCP_MARKS) else text


def _without_introduction(text: str) -> str:
    while (first := _GOOGLE_FIRST.search(text)) is not None:
        last = _GOOGLE_LAST.search(text, first.end(), first.end() + _GOOGLE_CHARACTERS)
        if last is None:
            break
        text = text[: first.start()].rstrip("\n") + "\n\n" + text[last.end() :].lstrip("\n")
    return text
