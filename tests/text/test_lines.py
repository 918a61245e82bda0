"""Documents as lines in numbered files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.records import Document
from holdfast.text.lines import LineFiles, consumed, document_line, read_document


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_back(text: str) -> None:
    line = document_line(Document("id", text, {"title": text, "year": 1850, "share": 0.1}))
    assert line.count(b"\n") == 1
    assert read_document(line) == Document("id", text, {"title": text, "year": 1850, "share": 0.1})


def test_files_are_cut_between_lines_and_read_back_in_order(tmp_path: Path) -> None:
    with LineFiles(tmp_path, "x", file_bytes=100) as files:
        for number in range(30):
            files.add(f"line {number:010}\n".encode())
    facts = files.facts()
    assert [each["name"] for each in facts] == [f"x-{number:05}.jsonl" for number in range(len(facts))]
    assert sum(each["documents"] for each in facts) == 30
    assert all(100 <= each["bytes"] < 116 for each in facts[:-1])
    assert list(consumed(files.paths)) == [f"line {number:010}\n".encode() for number in range(30)]
    assert not list(tmp_path.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with LineFiles(tmp_path, "x", file_bytes=10) as files:
            files.add(b"complete file\n")
            files.add(b"half\n")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert [path.name for path in tmp_path.iterdir()] == ["x-00000.jsonl"]
