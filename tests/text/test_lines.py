"""Documents as lines."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.records import Document
from holdfast.text.lines import document_line, read_document


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_back(text: str) -> None:
    line = document_line(Document("id", text, {"title": text, "year": 1850, "share": 0.1}))
    assert line.count(b"\n") == 1
    assert read_document(line) == Document("id", text, {"title": text, "year": 1850, "share": 0.1})
