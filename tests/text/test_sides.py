"""Who is kept and who goes where, from the ledger and the sketches alone."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.base.records import Document
from holdfast.text import harbour
from holdfast.text.dedup.near import Sketches
from holdfast.text.dedup.shingles import words
from holdfast.text.dedup.sketch import sketch
from holdfast.text.ledger import Ledger, entry
from holdfast.text.settings import CorpusSettings
from holdfast.text.sides import COPY, NEAR_COPY, Sides, sides

SETTINGS = CorpusSettings(path=".")


def entered(*texts: str | Document) -> Ledger:
    ledger = Ledger()
    for number, text in enumerate(texts):
        ledger.add(entry(1, text if isinstance(text, Document) else Document(str(number), text)))
    return ledger


def test_a_copy_goes_nowhere_and_everything_else_to_one_side() -> None:
    to = sides(entered(*(f"text {number}" for number in range(20)), "TEXT  3", "text 4"), SETTINGS, None)
    assert (to.train ^ to.val)[:20].all()
    assert not (to.train | to.val)[20:].any()
    assert to.cut is None


def test_the_document_that_is_cut_goes_to_neither_side_whole() -> None:
    to = sides(entered("the only text", "the only text"), SETTINGS, None)
    assert to.cut == 0
    assert to.tail_bytes >= 1
    assert not (to.train | to.val).any()


def test_nothing_is_dealt_of_nothing() -> None:
    to = sides(entered(), SETTINGS, None)
    assert len(to.train) == len(to.val) == 0
    assert to.cut is None


def compared(tmp_path: Path, *texts: str, **dedup: object) -> Sides:
    path = tmp_path / "sketches"
    path.write_bytes(b"".join(sketch(words(text).hashes).astype("<u4").tobytes() for text in texts))
    return sides(entered(*texts), CorpusSettings(path=".", dedup=dedup), Sketches([path]))


@pytest.fixture(scope="module")
def book() -> list[str]:
    """Words of a text that is long enough to be a book."""
    return " ".join(document.text for document in harbour.documents(300, 5)).split()


def spoilt(book: list[str], every: int) -> str:
    """Each so manieth word misread."""
    return " ".join("rn" + word if number % every == 0 else word for number, word in enumerate(book))


def test_a_later_edition_is_left_out_and_a_distant_one_stays_on_the_same_side(tmp_path: Path, book: list[str]) -> None:
    others = [document.text for document in harbour.documents(40, 9)]
    to = compared(tmp_path, *others, " ".join(book), spoilt(book, 30), spoilt(book, 12))
    assert to.repeats.tolist() == [*range(41), 40, 42]
    assert to.why(41) == NEAR_COPY
    assert to.val[40] == to.val[42]
    assert to.tied == 2
    strict = compared(tmp_path, *others, " ".join(book), spoilt(book, 30), similarity=0.9)
    assert strict.kept.all()


def test_short_texts_of_one_form_are_no_copies(tmp_path: Path) -> None:
    form = "On {} the ship {} came in with {} barrels of salt, and her master asked for a berth by the old stairs."
    to = compared(tmp_path, *(form.format(f"day {n}", f"S{n}", n) for n in range(30)))
    assert to.kept.all()
    assert to.tied == 0


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ({"work": "Emma"}, {"work": "emma"}, True),
        ({"author": "Austen, J.", "title": "Emma"}, {"author": "AUSTEN J", "title": "Emma."}, True),
        ({"author": "Austen, J.", "title": "Emma"}, {"author": "Austen, J.", "title": "Persuasion"}, False),
        ({"title": "Poems"}, {"title": "Poems"}, False),
    ],
)
def test_editions_that_are_named_as_such_stay_together(first: dict, second: dict, together: bool) -> None:
    def apart(seed: int) -> bool:
        two = [Document(f"{seed} first", "one text", first), Document(f"{seed} second", "another", second)]
        rest = [Document(f"{seed} {number}", f"text {number}") for number in range(20)]
        to = sides(entered(*two, *rest), CorpusSettings(path=".", val_fraction=0.5), None)
        return bool(to.val[0] != to.val[1])

    assert any(map(apart, range(30))) is not together


def test_a_title_that_everything_has_ties_nothing() -> None:
    many = [Document(str(n), f"text {n}", {"author": "Anonymous", "title": "Untitled"}) for n in range(200)]
    to = sides(entered(*many), SETTINGS, None)
    assert to.tied == 0
    assert 0 < np.count_nonzero(to.val) < 20


def test_the_reason_tells_equal_from_alike() -> None:
    to = sides(entered("a text", "another", "A  TEXT"), SETTINGS, None)
    assert to.why(2) == COPY
    assert to.repeats.tolist() == [0, 1, 0]
