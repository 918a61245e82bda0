"""Bytes to text: UTF-8 first, then what plausibly is text in another encoding, and a refusal for what is not."""

from __future__ import annotations

import re
import unicodedata

from holdfast.text.rejection import Unreadable

WIDE_MARKS = {  # longest first: the UTF-16 mark begins the UTF-32 one
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
# What a page may declare of itself; browsers read the first as Windows-1252 and so do we.
_LATIN = re.compile(r"(?i)iso-?8859-1|latin-?1|us-ascii")
_DECLARED = re.compile(
    r"(?i)iso-?8859-\d+|windows-125\d|cp125\d|koi8-[ru]|shift_?jis|euc-(jp|kr)|gbk|gb2312|gb18030|big5"
)
_CONTROLS = bytes(set(range(0x20)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
_NOT_CONTROLS = bytes(set(range(256)) - set(_CONTROLS))
_NOT_ASCII = bytes(range(128, 256))
_SURROGATE = re.compile("[\ud800-\udfff]")

# Without a mark, in the order in which they are tried: what is UTF-32 would be UTF-16 full of NUL characters.
_UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_UNMARKED_BYTES = 1 << 16  # looked at to tell
_FEWEST_CHARACTERS = 8  # a few bytes can be anything
_MOSTLY = 0.5  # share of ASCII in what is taken for unmarked wide text: only there the zeros prove it
_NO_TEXT = frozenset(("Cc", "Cn", "Co", "Cs"))  # controls, not assigned, private, surrogates

MOST_CONTROLS = 0.01  # share of control characters above which bytes are not text
MOST_HIGH_BYTES = 0.30  # share of non-ASCII bytes in a Western text; other scripts and binary data have more
LEAST_LETTERS = 0.80  # share of letters and usual signs among them
GOOD_PER_BAD = 9  # sound UTF-8 characters for each broken one that let a text pass as damaged UTF-8
_SAMPLE = 1 << 20
_SIGNS = frozenset(
    "\u2018\u2019\u201a\u201c\u201d\u2013\u2014\u2020\u2026\u2022\u20ac\u2122\xa0\xa3\xa7\xa9\xab\xad\xae\xb0\xb4\xb7\xbb\xbc\xbd\xbe\xbf\xa1\xd7"
)


def decode(data: bytes, declared: str | None = None) -> tuple[str, str]:
    """(text, name of its encoding); a byte order mark is obeyed and dropped.

    declared: the encoding a page says it has, believed when the bytes are not UTF-8.
    Raises Unreadable for bytes that are not text, or not in an encoding that can be told.
    """
    for mark, name in WIDE_MARKS.items():
        if data.startswith(mark):
            return _strict(data, name)
    if (unmarked := _unmarked(data)) is not None:
        return _strict(data, unmarked)
    if (position := data.find(b"\0")) >= 0:
        raise Unreadable("binary, not text", f"a NUL byte at {position}")
    if len(data.translate(None, _NOT_CONTROLS)) > MOST_CONTROLS * len(data):
        raise Unreadable("binary, not text", "too many control characters")
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        at_end = error.reason == "unexpected end of data"
    if declared is not None and _DECLARED.fullmatch(declared) and not _LATIN.fullmatch(declared):
        return _strict(data, declared)
    return _damaged(data, at_end) or _western(data)


def is_wide(head: bytes) -> bool:
    """True when bytes are in an encoding of two or four bytes a character: by their mark, or else beyond doubt."""
    return head.startswith(tuple(WIDE_MARKS)) or _unmarked(head) is not None


def _unmarked(data: bytes) -> str | None:
    """The wide encoding of bytes without a mark, where they can be nothing else: half of their characters are ASCII,
    which shows as zeros at every second place or three in four, and none is what no text has."""
    head = data[:_UNMARKED_BYTES]
    if b"\0" not in head:
        return None
    for name in _UNMARKED:
        try:
            text = head[: len(head) // 4 * 4 if len(data) > len(head) else len(head)].decode(name)
        except UnicodeDecodeError as error:
            if len(data) == len(head) or error.end < len(head) - 4:  # not just a pair of surrogates cut in two
                continue
            text = head[: error.start].decode(name)
        ascii_characters = sum(character < "\x80" for character in text)
        if (
            len(text) >= _FEWEST_CHARACTERS
            and ascii_characters >= _MOSTLY * len(text)
            and not any(unicodedata.category(each) in _NO_TEXT and each not in "\t\n\r\f" for each in set(text))
        ):
            return name
    return None


def sound(text: str) -> str:
    """The text without lone surrogates, which no encoding can write (JSON escapes can spell them)."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def printable(name: str) -> str:
    """A file name that can be written anywhere; bytes that are not UTF-8 show as escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _strict(data: bytes, encoding: str) -> tuple[str, str]:
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise Unreadable("undecodable", f"{encoding} is broken at byte {error.start}") from None


def _damaged(data: bytes, at_end: bool) -> tuple[str, str] | None:
    """UTF-8 with a few broken places, or cut inside its last character."""
    text = data.decode("utf-8-sig", "replace")
    bad = text.count("\ufffd") - data.count("\ufffd".encode())
    good = len(text) - _ascii_count(data) - text.count("\ufffd")
    if good >= GOOD_PER_BAD * bad or (at_end and bad == 1):
        return text, f"utf-8, {bad} broken"
    return None


def _ascii_count(data: bytes) -> int:
    return len(data.translate(None, _NOT_ASCII))


def _western(data: bytes) -> tuple[str, str]:
    """Windows-1252, of which Latin-1 text is a part, when that gives mostly letters."""
    high = len(data) - _ascii_count(data)
    if high > MOST_HIGH_BYTES * len(data):
        raise Unreadable("undecodable", "neither UTF-8 nor plausible Windows-1252")
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise Unreadable("undecodable", f"neither UTF-8 nor Windows-1252, see byte {error.start}") from None
    others = [character for character in text[:_SAMPLE] if character > "\x7f"]
    usual = sum(character.isalpha() or character in _SIGNS for character in others)
    if usual < LEAST_LETTERS * len(others):
        raise Unreadable("undecodable", "neither UTF-8 nor plausible Windows-1252")
    return text, "cp1252"
