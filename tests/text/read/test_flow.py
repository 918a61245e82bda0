"""Words and breaks."""

import re

from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.read.flow import Flow


def test_lines_and_paragraphs() -> None:
    flow = Flow()
    flow.end_paragraph()
    flow.words("  One \n line")
    flow.words(" of it ")
    flow.end_line()
    flow.end_paragraph()
    flow.end_line()
    flow.words("two")
    flow.words(None)
    flow.end_line()
    flow.words("three")
    assert flow.text() == "One line of it\n\ntwo\nthree"


def test_a_label_stays_with_what_follows() -> None:
    flow = Flow()
    for name, speech in (("HAM.", "Words."), ("POL.", "What?")):
        flow.words(name)
        flow.end_label()
        flow.end_paragraph()
        flow.words(speech)
        flow.end_paragraph()
    assert flow.text() == "HAM.\nWords.\n\nPOL.\nWhat?"


def test_glue_is_no_part_of_the_text() -> None:
    flow = Flow(re.compile(r"\s+(?=,)"))
    for part in ("John ", "\n  , a sailor"):
        flow.words(part)
    assert flow.text() == "John, a sailor"


@given(st.lists(st.sampled_from(["A ", "B", " \n", "line", "paragraph", "label"])))
def test_no_word_is_lost_and_no_gap_is_wide(parts: list[str]) -> None:
    flow = Flow()
    for part in parts:
        if part.islower():
            getattr(flow, f"end_{part}")()
        else:
            flow.words(part)
    text = flow.text()
    assert text == text.strip("\n")
    assert "".join(text.split()) == "".join("".join(each for each in parts if not each.islower()).split())
    assert "\n\n\n" not in text
