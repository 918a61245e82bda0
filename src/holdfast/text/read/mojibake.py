"""UTF-8 that somebody read as Windows-1252 or Latin-1 once and saved like that: "Ã©" where "é" stood.

It is undone only where nothing else can have happened: every character beyond ASCII in the whole text belongs to the
UTF-8 form of a letter or sign of Western print, and doing the mistake again gives the text back to the last character.
One sound "é" among the wrong ones, and the text is kept as it is: what part of it to believe would be a guess.
The mistake and its traces: https://en.wikipedia.org/wiki/Mojibake (2024).
"""

from __future__ import annotations

import re

# Each misreading as a table from characters to the bytes they were; Windows-1252 leaves five bytes to the controls.
_WINDOWS = {ord(bytes([byte]).decode("cp1252", "ignore") or chr(byte)): byte for byte in range(0x80, 0x100)}
_LATIN = {byte: byte for byte in range(0x80, 0x100)}
_FIRST = re.compile("[^\0-\x7f]{1,2}")
_LEADS = "\xc2\xc3\xc5\xe2\xef"  # how the first byte of each usual character beyond ASCII shows
_FOLLOWERS = frozenset(map(chr, (*range(0x80, 0xC0), *(sign for sign, byte in _WINDOWS.items() if byte < 0xC0))))
# Letters and signs of Latin-1, the ligatures oe, the usual punctuation, the euro, the trade mark, a byte order mark.
_UNUSUAL = re.compile("[^\0-\x7f\xa0-\xff\u0152\u0153\u2010-\u2044\u20ac\u2122\ufeff]")


def mended(text: str) -> tuple[str, str]:
    """(text, what was undone); the second is empty, and the first as it was, unless the mistake is certain."""
    first = None if text.isascii() else _FIRST.search(text)  # in nearly every text, this tells
    if first is None or first[0][0] not in _LEADS or first[0][1:] not in _FOLLOWERS:
        return text, ""
    for name, bytes_of in (("cp1252", _WINDOWS), ("latin-1", _LATIN)):
        if (found := _undone(text, bytes_of)) is not None:
            return found.removeprefix("\ufeff"), f"utf-8 read as {name}, undone"
    return text, ""


def _undone(text: str, bytes_of: dict[int, int]) -> str | None:
    try:
        found = text.translate(bytes_of).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return None
    again = found.encode("utf-8").decode("latin-1").translate({byte: sign for sign, byte in bytes_of.items()})
    return found if again == text and not _UNUSUAL.search(found) else None
