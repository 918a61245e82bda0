"""Exact copies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.dedup.exact import count_words, digest, originals


def test_white_space_and_capitals_make_no_difference_and_anything_else_does() -> None:
    assert digest("The Heron\n sailed. ") == digest("the heron sailed.")
    assert digest("the heron sailed") != digest("the heron sailed.")


@given(st.text(st.sampled_from("ab \n\t\x1c\x85\xa0\u2003\u2028\u3000é字😀\ud800")))
def test_words_are_counted_as_python_counts_them(text: str) -> None:
    assert count_words(text) == len(text.split())
    many = text * 3000
    assert count_words(many) == len(many.split())


pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(2**64 - 2, 2**64 - 1)), max_size=40)


@given(pairs)
def test_the_first_of_each_kind_is_the_original(digests: list[tuple[int, int]]) -> None:
    expected = [digests.index(each) for each in digests]
    assert originals(np.array(digests, np.uint64).reshape(-1, 2)).tolist() == expected
