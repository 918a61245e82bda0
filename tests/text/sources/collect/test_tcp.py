"""The table of the Text Creation Partnership."""

from collections.abc import Callable

import pytest

from holdfast.base.faults import DataFault
from holdfast.text.sources.collect.tcp import TABLE

from .conftest import Shelf

ROWS = """\
TCP,EEBO,VID,STC,Status,Author,Date,Title,Terms,Pages
A00002,1,2,STC 1,Free,"Aylett, Robert",1625,The brides ornaments,"Sermons, English",134
A00005,1,2,STC 2,Free,,1515,"A table, of London",,302
A00009,1,2,STC 2,Restricted,,1620,A locked book,,302
B00001,1,2,STC 2,Free,,[1666?],Londons flames,Fire,1
K000001.000,1,2,,Free,"Defoe, Daniel",1722,Plague in London,,9
N00001,,,,Free,,1640,The whole booke,,9
broken,,,,Free,,1640,No id,,9
A00010,1,2,,Free,,no date,Undated,,1
"""


def test_a_collection_a_period_and_words(collect: Callable) -> None:
    answers = {TABLE: ROWS.encode()}
    found, left = collect(answers, kind="tcp", series=["eebo"], period="1600-1700")
    assert [(each.id, each.name, each.meta) for each in found] == [
        ("A00002", "A00002.xml", {"title": "The brides ornaments", "author": "Aylett, Robert", "year": 1625}),
        ("B00001", "B00001.xml", {"title": "Londons flames", "year": 1666}),
    ]
    assert found[0].url == "https://raw.githubusercontent.com/textcreationpartnership/A00002/master/A00002.xml"
    assert left == {
        "A00005": "outside the period: 1515",
        "A00009": "not free: Restricted",
        "A00010": "outside the period: no date",
    }
    found, _ = collect(answers, kind="tcp", series=["eebo", "ecco"], words=["london"])
    assert [each.id for each in found] == ["A00005", "B00001", "K000001.000"]


def test_the_table_is_asked_for_once(collect: Callable) -> None:
    shelf = Shelf({TABLE: ROWS.encode()})
    for series in ("eebo", "ecco", "evans"):
        assert collect(shelf, kind="tcp", series=[series])[0]
    assert shelf.asked == [TABLE]


def test_ids_need_no_table(collect: Callable) -> None:
    found, left = collect({}, kind="tcp", ids=["A00002", "A00002", "../etc"])
    assert [each.id for each in found] == ["A00002"]
    assert left == {"../etc": "not an id of the partnership"}


def test_a_page_is_no_table(collect: Callable) -> None:
    with pytest.raises(DataFault, match=r"not a table with TCP.*: <html>"):
        collect({TABLE: b"<html>moved</html>"}, kind="tcp", series=["eebo"])
