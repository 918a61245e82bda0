"""What is counted, and under which name."""

from holdfast.base.records import Document
from holdfast.text.ledger import Ledger, Refusals, Tally, entry, source_of
from holdfast.text.rejection import Rejected


def test_characters_bytes_and_words() -> None:
    ledger = Ledger()
    ledger.add(entry(1, Document("a.txt", "zwölf Schiffe 🚢", {"path": "a.txt"})))
    assert ledger.counts.tolist() == [[15, 19, 3]]
    tally = Tally(1, 15, 19, 3) + Tally(1, 1, 1, 1)
    assert tally.plain() == {"documents": 2, "characters": 16, "bytes": 20, "words": 4}


def test_the_seed_and_the_id_place_a_document() -> None:
    def keys(seed: int, *ids: str) -> list[int]:
        ledger = Ledger()
        for each in ids:
            ledger.add(entry(seed, Document(each, "same text")))
        return ledger.keys.tolist()

    assert keys(1, "a", "b") == keys(1, "b", "a")[::-1]
    assert keys(1, "a") != keys(2, "a")


def test_single_files_are_counted_by_folder_and_others_by_file() -> None:
    assert source_of(Document("books/a.txt", "", {"path": "books/a.txt"})) == "books"
    assert source_of(Document("a.txt", "", {"path": "a.txt"})) == "."
    assert source_of(Document("books.jsonl:7", "", {"path": "books.jsonl"})) == "books.jsonl"
    assert source_of(Document("story-1", "")) == "generated"


def test_entries_come_back_in_pieces_as_they_were() -> None:
    documents = [
        Document(f"{folder}/{n}.txt", f"text {n}", {"path": f"{folder}/{n}.txt"}) for n, folder in enumerate("aabca")
    ]
    whole, first, again = Ledger(), Ledger(), Ledger()
    for document in documents:
        whole.add(entry(1, document))
    for document in documents[:3]:
        first.add(entry(1, document))
    again.extend(first.since(0), first.names, first.licences)
    for document in documents[3:]:
        again.add(entry(1, document))
    assert again.since(0) == whole.since(0)
    assert list(again.names) == list(whole.names) == ["a", "b", "c"]
    assert whole.sources.tolist() == [0, 0, 1, 2, 0]
    assert Ledger().counts.shape == (0, 3)


def test_all_rejections_are_counted_and_the_first_are_listed() -> None:
    refusals = Refusals(most=2)
    for number in range(3):
        refusals.add(Rejected(str(number), "empty", f"line {number}"))
    refusals.add(Rejected("9", "binary"))
    assert refusals.rows == [
        {"id": "0", "reason": "empty: line 0", "preview": ""},
        {"id": "1", "reason": "empty: line 1", "preview": ""},
    ]
    assert list(refusals.counted().items()) == [("empty", 3), ("binary", 1)]
    assert refusals.examples["empty"] == "0: empty: line 0"


def test_rejections_told_in_parts_are_those_told_at_once() -> None:
    found = [Rejected(str(number), ("binary", "empty")[number % 3 == 0], "", str(number)) for number in range(9)]
    whole, total = Refusals(most=5), Refusals(most=5)
    for rejected in found:
        whole.add(rejected)
    for some in (found[:2], [], found[2:8], found[8:]):
        part = total.following()
        for rejected in some:
            part.add(rejected)
        total.include(part.plain())
    assert total.plain() == whole.plain()
    assert list(total.by_reason) == list(whole.by_reason)
