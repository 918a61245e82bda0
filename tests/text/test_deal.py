"""The second pass: sides from the ledger alone, and parts that come out the same whenever they are dealt."""

from pathlib import Path

import pytest

from holdfast.base.records import Document
from holdfast.text.deal import Dealing, sides
from holdfast.text.gather import Gathering
from holdfast.text.ledger import Ledger
from holdfast.text.meter import Meter
from holdfast.text.settings import CorpusSettings

from ..disk.breaking import contents


def entered(*texts: str) -> Ledger:
    ledger = Ledger(1)
    for number, text in enumerate(texts):
        ledger.add(Document(str(number), text))
    return ledger


def test_a_copy_goes_nowhere_and_everything_else_to_one_side() -> None:
    to = sides(entered(*(f"text {number}" for number in range(20)), "TEXT  3", "text 4"), CorpusSettings(path="."))
    assert (to.train ^ to.val)[:20].all()
    assert not (to.train | to.val)[20:].any()
    assert to.cut is None


def test_the_document_that_is_cut_goes_to_neither_side_whole() -> None:
    to = sides(entered("the only text", "the only text"), CorpusSettings(path="."))
    assert to.cut == 0
    assert to.tail_bytes >= 1
    assert not (to.train | to.val).any()


def test_nothing_is_dealt_of_nothing() -> None:
    to = sides(entered(), CorpusSettings(path="."))
    assert len(to.train) == len(to.val) == 0
    assert to.cut is None


def deal(library: Path, out: Path) -> Dealing:
    """Both passes, going on with what is there."""
    settings = CorpusSettings(path=str(library))
    dealing = Dealing(out, "same")
    gathering = Gathering(settings, 1, out, "same")
    gathering.continue_behind(len(dealing.records))
    gathering.run(Meter(lambda done, total: None))
    dealing.run(gathering.parts, sides(gathering.ledger, settings), gathering.refusals)
    return dealing


@pytest.mark.parametrize("harmed", ["train-00002.jsonl", ".dealt-00002.json"])
def test_a_damaged_part_is_dealt_again_from_its_source(library: Path, tmp_path: Path, harmed: str) -> None:
    whole = deal(library, tmp_path)
    before = contents(tmp_path)
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in whole.names}
    assert len(whole.records) == 6
    data = bytearray((tmp_path / harmed).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / harmed).write_bytes(data)
    assert len(Dealing(tmp_path, "same").records) == 2
    assert deal(library, tmp_path).records == whole.records
    assert contents(tmp_path) == before
    kept = [name for name in times if "-00000." in name or "-00001." in name]
    assert len(kept) >= 4
    assert all((tmp_path / name).stat().st_mtime_ns == times[name] for name in kept)
