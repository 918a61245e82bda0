"""Steps that look at single characters: breaks, controls, normal forms, letters of old print."""

from __future__ import annotations

import re
import unicodedata

_BREAKS = {"\r": "\n", "\f": "\n", "\v": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n"}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
# The presentation forms U+FB00 to U+FB06. Not œ and æ, which are letters.
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}


def newlines(text: str) -> str:
    """Every kind of line and page break as \\n, a paragraph separator as an empty line."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    for found, wanted in _BREAKS.items():
        if found in text:
            text = text.replace(found, wanted)
    return text


def controls(text: str) -> str:
    """No byte order marks, no control characters but tab and newline, nothing that can not be written."""
    return _CONTROL.sub("", text) if _CONTROL.search(text) else text


def nfc(text: str) -> str:
    """Unicode normal form C: one spelling for each accented letter."""
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def ligatures(text: str) -> str:
    """Letters that were cast as one piece of type are written as the letters they are."""
    if text.isascii():
        return text
    for found, wanted in _LIGATURES.items():
        if found in text:
            text = text.replace(found, wanted)
    return text


def long_s(text: str) -> str:
    """The long s is an s. An f that was read in its place stays: only a reader knows which."""
    return text if text.isascii() else text.replace("ſ", "s")
