"""Looking up many hashes in many."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.dedup.known import Known

numbers = st.lists(st.one_of(st.integers(0, 5), st.integers(2**64 - 5, 2**64 - 1), st.integers(0, 2**64 - 1)))


@given(numbers, numbers)
def test_found_is_what_is_in_both(held: list[int], asked: list[int]) -> None:
    hashes = np.unique(np.array(held, np.uint64))
    which, where = Known(hashes).find(np.array(asked, np.uint64))
    assert which.tolist() == [number for number, each in enumerate(asked) if each in set(held)]
    assert hashes[where].tolist() == [asked[number] for number in which]
