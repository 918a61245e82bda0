"""Lines of JSON: each broken one is told by its number, its neighbours are read."""

import io
import json

import pytest

from holdfast.base.records import Document
from holdfast.text.read import rows as module
from holdfast.text.read.place import Place
from holdfast.text.read.rows import plain_fields, row_document, rows
from holdfast.text.rejection import Unreadable


def read(data: bytes) -> list[tuple[int, object]]:
    return [(number, row.reason if isinstance(row, Unreadable) else row) for number, row in rows(io.BytesIO(data))]


def test_broken_rows_do_not_hurt_their_neighbours() -> None:
    lines = [
        b'\xef\xbb\xbf{"text": "first, behind a mark"}',
        b"",
        b'{"text": broken}',
        b"[1, 2]",
        b"[" * 100_000,
        b'{"n": ' + b"9" * 5000 + b"}",
        b'{"text": "nul \0"}',
        b'{"text": "a raw\ttab"}',
        '{"text": "café"}'.encode("latin-1"),
        b'{"text": "last, without a newline"}',
    ]
    assert read(b"\n".join(lines)) == [
        (1, {"text": "first, behind a mark"}),
        (3, "broken JSON"),
        (4, "row is no JSON object"),
        (5, "broken JSON"),
        (6, "broken JSON"),
        (7, "binary, not text"),
        (8, {"text": "a raw\ttab"}),
        (9, {"text": "café"}),
        (10, {"text": "last, without a newline"}),
    ]


def test_a_line_without_end_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE_BYTES", 100)
    assert read(b'{"text": "' + b"x" * 1000 + b'"}\n{"a": 1}\n' + b"y" * 350) == [
        (1, "row too long"),
        (2, {"a": 1}),
        (3, "row too long"),
    ]


def test_wide_encodings_are_named() -> None:
    with pytest.raises(Unreadable, match="undecodable"):
        read('{"text": "x"}\n'.encode("utf-16"))


def test_fields_that_are_kept_can_always_be_written() -> None:
    row = json.loads(
        '{"text": "T", "title": "A \\ud800", "year": 1850, "score": NaN, "tags": [1], "meta": {"author": "B", "x": {}},'
        ' "ok": true, "none": null, "long": "' + "x" * 501 + '"}'
    )
    kept = plain_fields(row, "text")
    assert kept == {"title": "A \ufffd", "year": 1850, "ok": True, "author": "B"}
    json.dumps(kept, allow_nan=False, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("row", "meta"),
    [
        (
            {"lang": "eng", "license": "CC0-1.0"},
            {"lang": "eng", "language": "en", "license": "CC0-1.0", "licence": "CC0-1.0"},
        ),
        ({"language": "Python", "lang": "en"}, {"language": "Python", "lang": "en"}),
        ({"year": 1850}, {"year": 1850}),
        ({"year": "c. 1850-52"}, {"year": 1850, "date": "c. 1850-52"}),
        ({"year": 1850.0, "date": "May"}, {"year": 1850, "date": "May"}),
        ({"year": "unknown"}, {"date": "unknown"}),
        ({"year": True}, {"date": True}),
        ({"path": "elsewhere", "self": 1, "encoding": 5}, {"self": 1, "encoding": 5}),
    ],
)
def test_what_a_row_says_has_the_names_of_every_document(row: dict[str, object], meta: dict[str, object]) -> None:
    found = row_document({**row, "text": "x"}, Place("a:1", "a", "text"), "line 1")
    assert isinstance(found, Document)
    assert dict(found.meta) == {**meta, "path": "a"}
