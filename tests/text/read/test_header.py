"""What a header says becomes the keys that all documents share."""

import pytest

from holdfast.text.read.header import facts, licence_of
from holdfast.text.read.place import Place
from holdfast.text.read.tree import parse

pytest.importorskip("lxml")


def said(markup: str) -> dict[str, object]:
    root, entities, _ = parse(markup.encode(), Place("a.xml", "a.xml", "text"))
    return facts(root, root, entities)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "CC-BY-NC-SA-4.0"),
        ("see http://creativecommons.org/publicdomain/zero/1.0/.", "CC0-1.0"),
        ("http://creativecommons.org/publicdomain/mark/1.0/", "public domain"),
        ("All rights reserved", ""),
    ],
)
def test_licences_have_their_usual_names(address: str, expected: str) -> None:
    assert licence_of(address) == expected


@pytest.mark.parametrize(
    ("source", "year"),
    [
        ("<date>1792.</date>", 1792),
        ("<date>[1694?]</date>", 1694),
        ("<date>1799-1803.</date>", 1799),
        ('<date when="1851-02-03">Feb. 3</date>', 1851),
        ("<date>M.DCC.</date><date>17280</date>", None),
        ("<bibl><date>1905</date></bibl><bibl type='firstEdition'><date>1854</date></bibl>", 1854),
        ("", None),
    ],
)
def test_the_year_is_that_of_the_print_never_of_the_file(source: str, year: int | None) -> None:
    header = (
        f"<teiHeader><publicationStmt><date>2011</date></publicationStmt><sourceDesc>{source}</sourceDesc></teiHeader>"
    )
    assert said(header).get("year") == year


def test_the_year_of_making_comes_first() -> None:
    header = "<teiHeader><sourceDesc><date>1905</date></sourceDesc><creation><date>1850</date></creation></teiHeader>"
    assert said(header)["year"] == 1850


def test_what_is_not_there_is_not_invented() -> None:
    assert said("<teiHeader/>") == {}
    assert said("<teiHeader><titleStmt><title> </title></titleStmt></teiHeader>") == {}


def test_a_licence_in_sentences_is_told_as_it_is() -> None:
    header = "<teiHeader><availability><p>Ask the &amp; Library.</p></availability></teiHeader>"
    assert said(header)["licence"] == "Ask the & Library."
