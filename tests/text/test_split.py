"""What is held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.records import Document
from holdfast.text.split import ENOUGH, GENEROUS, choose, cut_document, key

corpora = st.lists(
    st.tuples(st.integers(0, 2**63 - 1), st.integers(1, 10**7)), min_size=2, max_size=60, unique_by=lambda x: x[0]
)
fractions = st.sampled_from([0.01, 0.05, 0.2, 0.5])


def arrays(corpus: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([each[0] for each in corpus], np.uint64), np.array([each[1] for each in corpus], np.int64)


@given(corpora, fractions)
def test_two_documents_or_more_always_give_both_sides(corpus: list[tuple[int, int]], fraction: float) -> None:
    keys, sizes = arrays(corpus)
    choice = choose(keys, sizes, fraction)
    assert 1 <= choice.val.sum() < len(corpus) or choice.cut is not None
    held_out = sizes[choice.val].sum() + choice.tail_bytes
    assert held_out <= sizes.sum() / 2 + 1
    assert held_out >= ENOUGH * fraction * sizes.sum() - 1
    assert choice.cut is None or not choice.val[choice.cut]


@given(corpora, fractions, st.randoms(use_true_random=False))
def test_the_order_of_documents_does_not_matter(corpus: list[tuple[int, int]], fraction: float, random: object) -> None:
    shuffled = corpus.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random

    def held_out(documents: list[tuple[int, int]]) -> tuple[set[int], object, int]:
        keys, sizes = arrays(documents)
        choice = choose(keys, sizes, fraction)
        return set(keys[choice.val].tolist()), choice.cut and documents[choice.cut], choice.tail_bytes

    assert held_out(corpus)[0::2] == held_out(shuffled)[0::2]


def test_many_documents_reach_the_fraction_closely() -> None:
    keys = np.array([key(7, str(number)) for number in range(5000)], np.uint64)
    sizes = np.random.default_rng(1).integers(100, 3000, 5000)
    choice = choose(keys, sizes, 0.05)
    assert choice.cut is None
    assert sizes[choice.val].sum() / sizes.sum() == pytest.approx(0.05, abs=0.001)


def test_a_giant_is_passed_over_while_small_ones_will_do() -> None:
    keys, sizes = np.arange(20, dtype=np.uint64), np.array([9000] + [1000] * 19)
    choice = choose(keys, sizes, 0.05)
    assert choice.val.nonzero()[0].tolist() == [1, 2]
    assert sizes[choice.val].sum() <= GENEROUS * 0.05 * sizes.sum()


def test_copies_stay_together() -> None:
    choice = choose(np.array([5, 1, 1, 9, 1, 7], np.uint64), np.array([50, 10, 10, 50, 10, 50]), 0.1)
    assert choice.val.tolist() == [False, True, True, False, True, False]


def test_one_book_is_cut_and_one_book_beside_a_note_too() -> None:
    assert choose(np.array([1], np.uint64), np.array([1000]), 0.05) == (np.array([False]), 0, 50)
    choice = choose(np.array([1, 2], np.uint64), np.array([10, 100_000]), 0.05)
    assert (choice.val.tolist(), choice.cut) == ([True, False], 1)
    assert choice.tail_bytes == pytest.approx(5000, abs=20)


def test_copies_of_a_single_text_can_not_be_split() -> None:
    choice = choose(np.array([1, 1], np.uint64), np.array([10, 10]), 0.05)
    assert not choice.val.any()
    assert choice.cut is None


texts = st.text(st.sampled_from("ab \n🚢é"), min_size=2, max_size=200)


@given(texts, st.integers(1, 200))
def test_a_cut_loses_nothing_and_leaves_both_sides_something(text: str, tail_bytes: int) -> None:
    beginning, end = cut_document(Document("x", text, {"path": "x"}), tail_bytes)
    assert beginning.text + end.text == text
    assert beginning.text
    assert end.text
    assert beginning.id != end.id
    assert end.meta == {"path": "x", "part": "end", "cut_at": len(beginning.text)}


def test_a_cut_is_made_between_paragraphs() -> None:
    text = "\n\n".join(f"Paragraph {number}\nof two lines." for number in range(50))
    _, end = cut_document(Document("x", text), 100)
    assert end.text.startswith("Paragraph 4")
    assert 50 <= len(end.text) <= 200
