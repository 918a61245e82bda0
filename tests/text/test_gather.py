"""The first pass goes on behind what it finished: nothing is read into the corpus twice, and nothing is forgotten."""

from pathlib import Path

import pytest

from holdfast.base.records import Document
from holdfast.disk.fileops import Operation, watched
from holdfast.text import treat
from holdfast.text.crew import Crew
from holdfast.text.gather import Gathering, part_path
from holdfast.text.meter import Meter
from holdfast.text.rejection import Rejected
from holdfast.text.rules import Rules
from holdfast.text.settings import CorpusSettings

from ..disk.watchers import Killed

TEXTS = 32  # in the library


class KilledBehind:
    """Ends the process as soon as a file is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def before(self, operation: Operation) -> None:
        if self.path.exists():
            raise Killed

    def after(self, operation: Operation) -> None:
        pass


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were cleaned, in order."""
    texts: list[str] = []

    class Counting(Rules):
        def treat(self, document: Document) -> Document | Rejected:
            texts.append(document.text)
            return super().treat(document)

    monkeypatch.setattr(treat, "Rules", Counting)
    return texts


def start(library: Path, out: Path, made_from: str = "same", **settings: object) -> tuple[Gathering, list[int]]:
    """A first pass, as far as it was taken over; and how many texts each part of that had."""
    gathering = Gathering(CorpusSettings(path=str(library), **settings), 1, out, made_from)
    gathering.continue_behind(0)
    return gathering, list(gathering.parts)


def run(library: Path, out: Path, **settings: object) -> Gathering:
    gathering, _ = start(library, out, **settings)
    gathering.run(Crew(1), Meter(lambda done, total: None))
    return gathering


def told(gathering: Gathering) -> tuple[object, ...]:
    return gathering.ledger.since(0), list(gathering.ledger.names), gathering.refusals.plain(), gathering.parts


def test_no_text_is_cleaned_twice(library: Path, tmp_path: Path, cleaned: list[str]) -> None:
    unbroken = run(library, tmp_path / "unbroken")
    assert len(unbroken.parts) == 6
    texts = list(cleaned)
    assert len(texts) == TEXTS
    for part in range(len(unbroken.parts)):
        cleaned.clear()
        with watched(KilledBehind(tmp_path / str(part) / f".gathered-{part:05}.json")), pytest.raises(Killed):
            run(library, tmp_path / str(part))
        assert told(run(library, tmp_path / str(part))) == told(unbroken)
        assert cleaned == texts


def test_a_damaged_part_and_those_behind_it_are_gathered_again(library: Path, tmp_path: Path) -> None:
    whole = run(library, tmp_path)
    for path in (part_path(tmp_path, 2), tmp_path / ".gathered-00003.ledger", tmp_path / ".gathered-00001.json"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        _, kept = start(library, tmp_path)
        assert kept == whole.parts[: int(path.name[10:15])]
        assert told(run(library, tmp_path)) == told(whole)


def test_of_a_part_that_is_dealt_the_text_is_not_needed(library: Path, tmp_path: Path) -> None:
    whole = run(library, tmp_path)
    for number in range(2):
        part_path(tmp_path, number).unlink()
    assert start(library, tmp_path)[1] == []
    again, _ = start(library, tmp_path)
    again.continue_behind(2)
    assert told(again) == told(whole)


def test_what_was_made_from_something_else_is_not_taken_over(library: Path, tmp_path: Path) -> None:
    run(library, tmp_path)
    assert start(library, tmp_path, made_from="other")[1] == []


@pytest.mark.parametrize("most", [1, 9, 20])
def test_it_stops_at_the_document_it_was_told_to(library: Path, tmp_path: Path, cleaned: list[str], most: int) -> None:
    assert len(run(library, tmp_path, max_documents=most).ledger) == most
    assert len(run(library, tmp_path, max_documents=most).ledger) == most
    assert len(cleaned) == most
