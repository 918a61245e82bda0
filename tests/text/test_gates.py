"""Which clean texts are left out."""

from holdfast.base.records import Document
from holdfast.text.gates import judge
from holdfast.text.settings import CorpusSettings


def test_empty_and_short_texts_are_left_out() -> None:
    settings = CorpusSettings(min_chars=10)
    assert judge(Document("a", "long enough"), settings) is None
    short = judge(Document("a", "short"), settings)
    assert short is not None
    assert (short.why, short.preview) == ("too short: 5 of 10 characters", "short")
    empty = judge(Document("a", " \n\t "), CorpusSettings())
    assert empty is not None
    assert empty.why == "empty"
