"""Which bytes are text, and in what encoding."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.read.encoding import decode, printable, sound
from holdfast.text.rejection import Unreadable

FRENCH = "Ça commence à l'été, « déjà » : garçon, cœur – 5 €. " * 20


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff")))
def test_utf8_is_read_as_it_is(text: str) -> None:
    assert decode(text.encode()) == (text, "utf-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_is_obeyed_and_dropped(encoding: str) -> None:
    assert decode(FRENCH.encode(encoding))[0] == FRENCH


def test_western_text_is_recognised() -> None:
    assert decode(FRENCH.encode("cp1252")) == (FRENCH, "cp1252")
    german = "Größe, Maß und Übermut. " * 20
    assert decode(german.encode("latin-1")) == (german, "cp1252")


def test_damaged_utf8_is_repaired_not_read_as_something_else() -> None:
    text, encoding = decode(FRENCH.encode() + b"\xff" + FRENCH.encode())
    assert text == FRENCH + "\ufffd" + FRENCH
    assert encoding == "utf-8, 1 broken"
    assert decode("plain but cut: é".encode()[:-1])[0] == "plain but cut: \ufffd"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"text with \0 in it", "binary, not text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary, not text"),
        (bytes(range(1, 9)) * 100, "binary, not text"),
        ("Съешь ещё этих мягких французских булок. ".encode("koi8-r") * 20, "undecodable"),
        ("いろはにほへと".encode("shift-jis") * 20, "undecodable"),
        (b"\xff\xfea", "undecodable"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_a_page_may_say_its_encoding() -> None:
    russian = "Съешь ещё этих мягких французских булок. "
    assert decode(russian.encode("koi8-r"), "KOI8-R") == (russian, "KOI8-R")
    assert decode(russian.encode(), "koi8-r") == (russian, "utf-8"), "what is UTF-8 is UTF-8, whatever is declared"
    assert decode(FRENCH.encode("cp1252"), "iso-8859-1")[0] == FRENCH
    assert decode(FRENCH.encode("cp1252"), "zlib_codec")[0] == FRENCH, "only encodings of text are believed"


@given(st.binary(max_size=300))
def test_any_bytes_give_text_or_a_reason(data: bytes) -> None:
    try:
        text, _ = decode(data)
    except Unreadable:
        return
    text.encode("utf-8")


def test_names_and_texts_can_be_written() -> None:
    assert printable(os.fsdecode(b"bad\xff.txt")).encode("utf-8") == b"bad\\udcff.txt"
    assert sound("a\ud800b") == "a\ufffdb"
