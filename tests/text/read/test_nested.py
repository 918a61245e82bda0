"""JSON files: rows, a document, or texts in many places of one."""

import json
from collections.abc import Callable

import pytest

from holdfast.base.records import Document
from holdfast.text.read import rows
from holdfast.text.rejection import Rejected

Read = Callable[..., list[Document | Rejected]]

COUNTRY = {
    "name": "Harbourland",
    "Introduction": {"Background": {"text": "<p>Founded by <em>sailors</em> &amp; clerks.</p><p>Then ships.</p>"}},
    "Geography": {
        "Area": {"total": {"text": "12&nbsp;sq km &mdash;\nAT&T &c;"}, "land": {"text": "  "}},
        "Ports": [{"text": "a < b"}, {"text": "Two"}],
    },
    "text": {"note": {"text": ["first", "second", 3]}},
}


def test_every_text_of_a_nested_file_with_the_name_of_what_it_is_in(document: Callable[..., Document]) -> None:
    found = document("a.json", json.dumps(COUNTRY))
    assert found.text == (
        "Background: Founded by sailors & clerks.\n\nThen ships.\n\ntotal: 12\xa0sq km —\nAT&T &c;\n\na < b\n\nTwo\n\n"
        "note: first\n\nnote: second"
    )
    assert dict(found.meta) == {"name": "Harbourland", "path": "a.json"}


def test_a_list_is_read_like_rows(read: Read) -> None:
    value = [
        {"text": "<b>as it is</b>", "id": 7, "self": 1},
        {"body": "no"},
        {"turns": [{"text": "Hi."}, {"text": "Yes?"}]},
        5,
    ]
    first, second, third, fourth = read("a.json", json.dumps(value).encode())
    assert isinstance(first, Document)
    assert isinstance(third, Document)
    assert (first.id, first.text, dict(first.meta)) == (
        "a.json:1",
        "<b>as it is</b>",
        {"id": 7, "self": 1, "path": "a.json"},
    )
    assert second == Rejected("a.json:2", "no field 'text'", "element 2", "body")
    assert (third.id, third.text) == ("a.json:3", "Hi.\n\nYes?")
    assert fourth == Rejected("a.json:4", "no field 'text'", "element 4", "int")


def test_the_field_can_be_named(read: Read) -> None:
    value = [{"turns": [{"utterance": "Hi."}, {"utterance": "Yes?"}]}]
    (found,) = read("a.json", json.dumps(value).encode(), field="utterance")
    assert isinstance(found, Document)
    assert found.text == "Hi.\n\nYes?"


def test_one_document(document: Callable[..., Document]) -> None:
    assert document("a.json", b'{"text": "One.", "year": 1850}').meta["year"] == 1850


def test_json_lines_by_another_name(read: Read) -> None:
    found = read("a.json", b'{"text": "One."}\n{"text": "Two."}\nbroken\n')
    assert [each.id for each in found] == ["a.json:1", "a.json:2", "a.json:3"]
    assert isinstance(found[2], Rejected)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "broken JSON: line 1, column 1"),
        (b'{"text": "x"', "broken JSON"),
        (b"[" * 100_000, "broken JSON: nested too deeply"),
        (b'{"a":' * 100_000, "broken JSON: nested too deeply"),
        (b"9" * 10_000, "broken JSON"),
        (b"{}", "no field 'text'"),
        (b'"words"', "no field 'text'"),
        (b"\0", "binary, not text"),
    ],
)
def test_what_can_not_be_read_has_a_reason(data: bytes, why: str, reason: Callable[..., str]) -> None:
    assert reason("a.json", data).startswith(why)


def test_the_number_of_parts_is_bounded(reason: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "HARMLESS_CHARACTERS", 10)
    monkeypatch.setattr(rows, "MOST_PARTS", 10)
    assert reason("a.json", "[" + ",".join(["[]"] * 10) + "]").startswith("too many parts")
    assert reason("a.jsonl", '{"text": [' + ",".join(["[]"] * 10) + "]}").startswith("too many parts")
