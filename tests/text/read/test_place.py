"""What every document says of where it was found, and streams that are held whole."""

import io

import pytest

from holdfast.text.read import place as module
from holdfast.text.read.place import Place, seekable, whole
from holdfast.text.rejection import Unreadable

HERE = Place("a.txt:1", "a.txt", "text")


def test_a_document_says_where_it_is_from_and_what_was_done_to_its_bytes() -> None:
    assert dict(HERE.document("x", meta={"path": "elsewhere", "self": 1}).meta) == {"path": "a.txt", "self": 1}
    assert HERE.document("Ã©", "cp1252").meta["encoding"] == "cp1252, utf-8 read as cp1252, undone"
    assert HERE.document("a\ud800").text == "a\ufffd"
    assert HERE.below("2").id == "a.txt:1:2"


def test_what_is_held_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_WHOLE_BYTES", 10)
    assert whole(io.BytesIO(b"56789a"), b"1234") == b"123456789a"
    with pytest.raises(Unreadable, match="too large"):
        whole(io.BytesIO(b"56789ab"), b"1234")


def test_a_stream_is_copied_only_where_it_must_be() -> None:
    stream = io.BytesIO(b"abc")
    assert seekable(stream) is stream

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    copied = seekable(Pipe(b"abc"))
    assert (copied.seekable(), copied.read()) == (True, b"abc")
