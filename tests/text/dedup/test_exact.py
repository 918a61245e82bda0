"""Exact copies."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.dedup.exact import originals, words_and_digest


def test_white_space_and_capitals_make_no_difference_and_anything_else_does() -> None:
    words, digest = words_and_digest("The Heron\n sailed. ")
    assert words == 3
    assert words_and_digest("the heron sailed.")[1] == digest
    assert words_and_digest("the heron sailed")[1] != digest


pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(2**64 - 2, 2**64 - 1)), max_size=40)


@given(pairs)
def test_the_first_of_each_kind_is_the_original(digests: list[tuple[int, int]]) -> None:
    expected = [digests.index(each) for each in digests]
    assert originals(np.array(digests, np.uint64).reshape(-1, 2)).tolist() == expected
