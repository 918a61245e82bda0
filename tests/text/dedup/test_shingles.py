"""Words and runs of words as hashes."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.dedup import shingles
from holdfast.text.dedup.shingles import distinct, runs, words

TEXTS = st.text(st.sampled_from("abcé AB\n.,'—“”1 ſ"), max_size=60)


def test_marks_capitals_accents_and_white_space_make_no_difference() -> None:
    first = words("The café's “old-fashioned” ſigns—\n two of them,   naïve.")
    second = words("the CAFE s old fashioned signs two of them naive")
    assert first.hashes.tolist() == second.hashes.tolist()
    assert len(set(first.hashes.tolist())) == len(first.hashes) == 10


def test_where_words_begin_is_in_characters() -> None:
    text = "“Ä” b 😀 long-word"
    assert [text[start] for start in words(text).starts] == ["Ä", "b", "😀", "l", "w"]


def test_scripts_without_spaces_are_read_by_character() -> None:
    assert len(words("日本語 and 中文。").hashes) == 6
    assert words("日本").hashes[1] == words("本").hashes[0]


@given(TEXTS)
def test_words_are_those_of_a_regular_expression(text: str) -> None:
    folded = text.lower().replace("é", "e").replace("ſ", "s")
    found = re.findall(r"[a-z0-9]+", folded)
    hashes = words(text).hashes.tolist()
    assert len(hashes) == len(found)
    assert len(set(hashes)) == len(set(found))
    assert [words(word).hashes[0] for word in found] == hashes


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "A line of some words, and another.\n" * 40
    whole = words(text)
    monkeypatch.setattr(shingles, "BLOCK_CHARACTERS", 50)
    parted = words(text)
    assert parted.hashes.tolist() == whole.hashes.tolist()
    assert parted.starts.tolist() == whole.starts.tolist()
    assert len(words("x" * 120).hashes) == 3  # a word that is longer than a block comes in pieces


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(1, 17))
def test_a_run_depends_on_its_words_and_their_order_and_on_nothing_else(numbers: list[int], length: int) -> None:
    hashes = np.array(numbers, np.uint64)
    found = runs(hashes, length)
    assert len(found) == max(0, len(hashes) - length + 1)
    for begin, each in enumerate(found):
        assert runs(hashes[begin : begin + length], length) == each
    if length > 1 and len(hashes) >= length and hashes[0] != hashes[1]:
        assert runs(hashes[[1, 0, *range(2, length)]], length) != found[0]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_each_hash_once_and_in_order(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, np.uint64)).tolist() == sorted(set(numbers))
