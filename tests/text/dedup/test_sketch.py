"""Sketches tell how alike texts are."""

import numpy as np
import pytest

from holdfast.text.dedup.shingles import runs, words
from holdfast.text.dedup.sketch import PLACES, RUN_WORDS, alike, filled, sketch


def numbered(begin: int, end: int) -> np.ndarray:
    return words(" ".join(f"w{number}" for number in range(begin, end))).hashes


def exactly(one: np.ndarray, other: np.ndarray) -> float:
    first, second = (set(runs(each, RUN_WORDS).tolist()) for each in (one, other))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize("length", [20, 200, 20_000])
@pytest.mark.parametrize("shift", [0, 0.1, 0.3, 0.6, 1])
def test_likeness_is_close_to_the_share_of_common_runs(length: int, shift: float) -> None:
    one, other = numbered(0, length), numbered(round(shift * length), length + round(shift * length))
    said = alike(sketch(one)[None], sketch(other)[None])[0]
    assert said == pytest.approx(exactly(one, other), abs=0.13)
    if shift in (0, 1):
        assert said == 1 - shift


def test_a_text_of_few_words_has_no_sketch_and_is_like_nothing() -> None:
    empty = sketch(numbered(0, RUN_WORDS - 1))
    assert not empty.any()
    assert alike(empty[None], empty[None])[0] == 0
    assert not filled(empty[None]).any()


def test_empty_places_borrow_the_same_for_the_same_text() -> None:
    some = np.stack([sketch(numbered(0, 12)), sketch(numbered(0, 12)), sketch(numbered(0, 5000))])
    assert not some[0].all()
    full = filled(some)
    assert full.all()
    assert (full[0] == full[1]).all()
    assert (full[2] == some[2]).all()
    assert len(np.unique(full[0])) == PLACES
