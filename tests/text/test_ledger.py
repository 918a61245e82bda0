"""What is counted, and under which name."""

import pytest

from holdfast.base.records import Document
from holdfast.text import ledger as module
from holdfast.text.ledger import Ledger, Refusals, Tally, source_of
from holdfast.text.rejection import Rejected


def test_characters_bytes_and_words() -> None:
    ledger = Ledger(1)
    ledger.add(Document("a.txt", "zwölf Schiffe 🚢", {"path": "a.txt"}))
    assert ledger.counts(0) == (15, 19, 3)
    assert ledger.sizes.tolist() == [19]
    tally = Tally()
    tally.add(*ledger.counts(0))
    tally.add(1, 1, 1)
    assert tally.plain() == {"documents": 2, "characters": 16, "bytes": 20, "words": 4}


def test_the_seed_and_the_id_place_a_document() -> None:
    def keys(seed: int, *ids: str) -> list[int]:
        ledger = Ledger(seed)
        for each in ids:
            ledger.add(Document(each, "same text"))
        return ledger.keys.tolist()

    assert keys(1, "a", "b") == keys(1, "b", "a")[::-1]
    assert keys(1, "a") != keys(2, "a")


def test_single_files_are_counted_by_folder_and_others_by_file() -> None:
    assert source_of(Document("books/a.txt", "", {"path": "books/a.txt"})) == "books"
    assert source_of(Document("a.txt", "", {"path": "a.txt"})) == "."
    assert source_of(Document("books.jsonl:7", "", {"path": "books.jsonl"})) == "books.jsonl"
    assert source_of(Document("story-1", "")) == "generated"


def test_all_rejections_are_counted_and_the_first_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REJECTED", 2)
    refusals = Refusals()
    rows = [refusals.add(Rejected(str(number), "empty", f"line {number}")) for number in range(3)]
    assert rows == [
        {"id": "0", "reason": "empty: line 0", "preview": ""},
        {"id": "1", "reason": "empty: line 1", "preview": ""},
        None,
    ]
    refusals.add(Rejected("9", "binary"))
    assert refusals.plain() == {"empty": 3, "binary": 1}
    assert refusals.examples["empty"] == "0: empty: line 0"
