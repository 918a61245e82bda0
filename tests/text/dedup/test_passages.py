"""Where texts are cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.dedup import passages as module
from holdfast.text.dedup.passages import Cuts, holding, passages, without
from holdfast.text.dedup.shingles import words


@given(st.text(st.sampled_from("ab. \n"), max_size=80))
def test_passages_are_the_whole_text(text: str) -> None:
    of = passages(text)
    assert "".join(text[begin:end] for begin, end in of.tolist()) == text
    assert without(text, of) == ""


def test_paragraphs_then_lines_then_sentences() -> None:
    long = "A sentence of words. " * (module.LONGEST // 20)
    text = f"One.\nStill one.\n\n  Two.\n{long}\nThree."
    pieces = [text[begin:end] for begin, end in passages(text).tolist()]
    assert pieces[:2] == ["One.\nStill one.\n\n  ", "Two.\n"]
    assert pieces[2] == "A sentence of words. "
    assert pieces[-1] == "Three."


def test_what_holds_a_run_of_words_is_cut() -> None:
    text = "first one here\n\nsecond has more\n\nthird\n\nfourth"
    found = words(text)
    assert without(text, holding(found.starts, np.array([1]), 3, passages(text))) == "third\n\nfourth"
    assert without(text, holding(found.starts, np.array([6, 7]), 1, passages(text))) == (
        "first one here\n\nsecond has more\n\n"
    )


def test_cuts_of_one_document() -> None:
    cuts = Cuts(np.array([[2, 0, 5], [2, 9, 12], [7, 1, 2]]))
    assert cuts.of(2).tolist() == [[0, 5], [9, 12]]
    assert cuts.of(3).shape == (0, 2)
