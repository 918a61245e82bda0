"""The second pass: sides from the ledger alone, and parts that come out the same whenever they are dealt."""

from pathlib import Path

import pytest

from holdfast.text.crew import Crew
from holdfast.text.deal import Dealing, Orders
from holdfast.text.dedup.passages import NO_CUTS
from holdfast.text.gather import Gathering
from holdfast.text.meter import Meter
from holdfast.text.settings import CorpusSettings
from holdfast.text.sides import sides

from ..disk.breaking import contents


def deal(library: Path, out: Path) -> Dealing:
    """Both passes, going on with what is there."""
    settings = CorpusSettings(path=str(library))
    dealing = Dealing(out, "same")
    gathering = Gathering(settings, 1, out, "same")
    gathering.continue_behind(len(dealing.records))
    gathering.run(Crew(1), Meter(lambda done, total: None))
    orders = Orders(sides(gathering.ledger, settings, None), NO_CUTS, NO_CUTS)
    dealing.run(gathering.parts, gathering.ledger, orders, gathering.refusals, Meter(lambda done, total: None))
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
