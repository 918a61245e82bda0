"""Real files, with all that real files have: marks, page breaks, licences, old encodings."""

import re
from pathlib import Path

import pytest

from holdfast.base.records import Document
from holdfast.text.build import build_corpus
from holdfast.text.clean import SAFE, STEPS, StepName, changes, clean
from holdfast.text.corpus import RejectedRow, read_conversations, read_split
from holdfast.text.dedup.known import Known
from holdfast.text.dedup.leaks import sampled
from holdfast.text.dedup.leaks import shared as shared_runs
from holdfast.text.meter import Meter
from holdfast.text.settings import CorpusSettings
from holdfast.text.sides import NEAR_COPY
from holdfast.text.sources import documents


def corpus(path: Path, out: Path, documents: str = "exact") -> dict[str, Document]:
    settings = CorpusSettings(path=str(path), dedup={"documents": documents})
    build_corpus(settings, 1, out, lambda done, total: None)
    return {each.id: each for split in ("train", "val") for each in read_split(out, split)}


@pytest.mark.slow
def test_raw_books_become_clean_ones(shared: Path, tmp_path: Path) -> None:
    documents = corpus(shared / "data" / "fixtures" / "gutenberg_raw", tmp_path)
    assert len(documents) == 10
    assert documents["9198-8.txt"].meta["encoding"] == "cp1252"
    assert documents["9198-h.htm"].meta["title"].startswith("The Complete Angler")
    for document in documents.values():
        assert "project gutenberg" not in document.text.lower(), document.id
        assert not set("\r\0\f\ufeff") & set(document.text), document.id
        assert clean(document.text) == document.text
    shortest = min((document.text for document in documents.values()), key=len)
    everything = clean(shortest, tuple(STEPS))
    assert clean(everything, tuple(STEPS)) == everything


def test_of_one_book_in_four_forms_one_is_kept(shared: Path, tmp_path: Path) -> None:
    documents = corpus(shared / "data" / "fixtures" / "gutenberg_raw", tmp_path, "near")
    assert len(documents) == 7  # as 9198.txt, 9198-8.txt, 9198-h.htm and old_7tcng10.txt
    assert [name for name in documents if name.startswith(("9198", "old"))] == ["9198-8.txt"]


def test_an_unwrapped_novel_says_the_same_words(shared: Path) -> None:
    path = shared / "data" / "fixtures" / "near_duplicates" / "litbank_113_the_secret_garden.txt"
    text = clean(path.read_text("utf-8"))
    unwrapped = clean(text, ("unwrap",))
    assert unwrapped.split() == text.split()
    assert unwrapped.count("\n") < 0.7 * text.count("\n")


def test_marks_and_empty_files(shared: Path, tmp_path: Path) -> None:
    documents = corpus(shared / "data" / "fixtures" / "encodings", tmp_path)
    assert set(documents) == {"bom_crlf_formfeed_novel_head.txt", "latin1_iso8859_angler_head.txt"}


def test_chats_as_they_are_published(shared: Path) -> None:
    found = list(read_conversations(shared / "data" / "chat" / "topical_chat_messages.jsonl.xz"))
    assert len(found) == 1617
    assert not [each for each in found if isinstance(each, RejectedRow)]


NOT_OF_THE_BOOK = re.compile(
    r"project gutenberg|transcriber's note|^produced by|^e-?text prepared|digitized by|archive\.org|licen[cs]e terms"
    r"|</?(?:p|TEI|text|body|div\d?|lb|pb)\b",
    re.IGNORECASE | re.MULTILINE,
)
PAGE_NUMBER = re.compile(r"^[ \t]*\[?\d{1,4}\]?[ \t]*$", re.MULTILINE)
CHAPTERS = "litbank_120_treasure_island.txt"  # are called 1 to 34, and stay


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["gutenberg_raw", "archive_djvu_ocr", "near_duplicates"])
def test_nothing_but_the_book_is_left(shared: Path, tmp_path: Path, folder: str) -> None:
    steps: list[StepName] = [*SAFE, "page_numbers"]
    settings = CorpusSettings(path=str(shared / "data" / "fixtures" / folder), clean=steps, dedup={"documents": "off"})
    build_corpus(settings, 1, tmp_path, lambda done, total: None)
    for split in ("train", "val"):
        for each in read_split(tmp_path, split):
            assert not NOT_OF_THE_BOOK.findall(each.text), each.id
            assert len(PAGE_NUMBER.findall(each.text)) == (34 if each.id == CHAPTERS else 0), each.id


@pytest.mark.slow
def test_clean_books_lose_nothing(shared: Path) -> None:
    """White space apart, the steps that are on take something from one of 422 books: a transcriber's note in
    brackets. In others they write in one character what was written in two, or drop what has no shape."""
    settings = CorpusSettings(path=str(shared / "data" / "history"))
    taken = {}
    for _, each in documents(settings, 1, Meter(lambda done, total: None)):
        assert isinstance(each, Document)
        lost = {change.step: change.lost for change in changes(each.text) if change.lost}
        if lost:
            taken[each.id.rpartition("/")[2]] = lost
    assert {name: lost for name, lost in taken.items() if set(lost) - {"nfc", "controls"}} == {
        "599_vanity_fair.txt": {"boilerplate": 83}
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "changed"),
    [
        ("page_numbers", {"Eliot_Felix_1866.txt"}),  # which has kept 96 of them
        ("running_heads", set()),
        ("noise_lines", set()),
        ("markup", {"eltec_eng_novels.jsonl.xz:1"}),  # one &rdquo;
    ],
)
def test_steps_that_are_off_leave_clean_books_alone_too(shared: Path, step: StepName, changed: set[str]) -> None:
    settings = CorpusSettings(path=str(shared / "data" / "history"))
    found = set()
    for _, each in documents(settings, 1, Meter(lambda done, total: None)):
        assert isinstance(each, Document)
        text = clean(each.text)
        if STEPS[step](text) != text:
            found.add(each.id.rpartition("/")[2])
    assert found == changed


@pytest.mark.slow
def test_a_library_of_four_centuries(shared: Path, tmp_path: Path) -> None:
    """And second editions of four of its novels: they are found, and nothing else is taken for a copy."""
    paths = [str(shared / "data" / "history"), str(shared / "data" / "fixtures" / "near_duplicates")]
    summary = build_corpus(CorpusSettings(path=paths), 1, tmp_path, lambda done, total: None)
    train, val = (summary.manifest["splits"][split] for split in ("train", "val"))
    assert train["documents"] + val["documents"] == 422
    assert val["bytes"] / (train["bytes"] + val["bytes"]) == pytest.approx(0.05, abs=0.01)
    assert summary.manifest["rejected"] == {NEAR_COPY: 4}
    assert {"1500", "1710", "1890", "unknown"} <= set(summary.manifest["decades"])
    assert summary.manifest["dedup"]["leaks"]["left"] == 0
    held = sampled(document.text for document in read_split(tmp_path, "val"))
    known = Known(held.hashes)
    assert held.every == 1
    assert not any(len(shared_runs(document.text, known)) for document in read_split(tmp_path, "train"))
