"""Years, works and sources out of what texts say of themselves, and sums over them."""

import pytest

from holdfast.base.records import Document
from holdfast.text import ledger as module
from holdfast.text import stats
from holdfast.text.ledger import Ledger, entry, work_of, year_of


@pytest.mark.parametrize(
    ("said", "year"),
    [(1751, 1751), ("1751", 1751), ("[1751?]", 1751), ("1750-1760", 1750), ("MDCC", 0), (None, 0), (True, 0), (-5, 0)],
)
def test_years(said: object, year: int) -> None:
    assert year_of({"year": said}) == year


def test_works_are_named_or_put_together() -> None:
    assert work_of({"work": "Emma"}) == work_of({"work": "EMMA", "title": "another"}) != 0
    assert work_of({"author": "A", "title": "T"}) != work_of({"work": "A T"})
    assert work_of({"title": "T"}) == work_of({"author": "—", "title": "T"}) == work_of({}) == 0


def filled(*metas: dict[str, object]) -> Ledger:
    ledger = Ledger()
    for number, meta in enumerate(metas):
        ledger.add(entry(1, Document(str(number), "one two three", meta)))
    return ledger


def test_sums_by_licence_and_decade() -> None:
    ledger = filled({"licence": "CC0", "year": 1751}, {"licence": "CC0", "year": "1759"}, {}, {"year": 1801})
    whole = ledger.years >= 0
    dealt = [{"changed": {"train": [[3, 7, 7, 2]]}}, {"changed": {"train": [[2, 0, 0, 0]]}}]
    given = stats.given(ledger, whole, dealt, "train")
    assert stats.total(given).plain() == {"documents": 3, "characters": 33, "bytes": 33, "words": 8}
    both = {"train": given, "val": stats.given(ledger, ~whole, [], "val")}
    licences = stats.by_name(list(ledger.licences), ledger.licensed, both)
    assert {name: row["documents"] for name, row in licences.items()} == {"CC0": 2, "unknown": 1}
    decades = stats.by_decade(ledger.years, both)
    assert {name: row["words"] for name, row in decades.items()} == {"1750": 6, "1800": 2}


def test_sources_beyond_all_number_share_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_NAMES", 3)
    ledger = filled(*({"source": f"site {number}"} for number in range(10)))
    assert list(ledger.names) == ["site 0", "site 1", "site 2", "(others)"]
    assert ledger.sources.tolist() == [0, 1, 2, *[3] * 7]
