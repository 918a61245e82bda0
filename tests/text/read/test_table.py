"""Tables with a text in one of their columns."""

from collections.abc import Callable

import pytest

from holdfast.base.records import Document
from holdfast.text.read import table
from holdfast.text.rejection import Rejected

Read = Callable[..., list[Document | Rejected]]


def test_rows_of_a_table(read: Read) -> None:
    data = '\ufefftitle,text,self\r\nShips,"Two lines,\n""quoted"", é.",1\r\nshort\r\n\r\n,"",\r\n'.encode()
    first, second, third = read("a.csv", data)
    assert isinstance(first, Document)
    assert first.text == 'Two lines,\n"quoted", é.'
    assert dict(first.meta) == {"title": "Ships", "self": "1", "path": "a.csv"}
    assert second == Rejected("a.csv:2", "row of another length", "1 fields, 3 columns")
    assert isinstance(third, Document)


def test_tabs_and_old_encodings(read: Read) -> None:
    (found,) = read("a.tsv", "n\ttext\n1\tcafé, été\n".encode("cp1252"))
    assert isinstance(found, Document)
    assert found.text == "café, été"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"question,A,B,answer\nwhat,1,2,A\n", "no column 'text': columns: question, A, B, answer"),
        (b"", "no column 'text'"),
        ("text\nx\n".encode("utf-16"), "undecodable"),
        (b"\0\1", "binary, not text"),
    ],
)
def test_what_is_no_table_of_texts_has_a_reason(data: bytes, why: str, reason: Callable[..., str]) -> None:
    assert reason("a.csv", data).startswith(why)


def test_a_quote_that_never_closes_is_bounded(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "LONGEST_FIELD_CHARACTERS", 1000)
    good, broken = read("a.csv", b'text\ngood\n"' + b"x\n" * 1000)
    assert isinstance(good, Document)
    assert isinstance(broken, Rejected)
    assert broken.reason == "broken table"
