"""TEI of every age: what was printed, and nothing of what editors and programs put around it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.base.records import Document
from holdfast.text.rejection import Rejected

pytest.importorskip("lxml")

P5 = """<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0" xml:lang="en">
 <teiHeader><fileDesc>
  <titleStmt><title>The Heron &#8212; a Tale</title><author>Marsh, Ada (1801-1870)</author></titleStmt>
  <publicationStmt><date>2021</date><availability><licence target="https://creativecommons.org/licenses/by/4.0/"/>
  </availability></publicationStmt>
  <sourceDesc><bibl type="printSource"><date>1869</date></bibl><bibl type="firstEdition"><pubPlace>[London :]</pubPlace>
  <date>1848</date></bibl></sourceDesc></fileDesc>
  <profileDesc><langUsage><language ident="eng">English</language></langUsage></profileDesc></teiHeader>
 <text>
  <front><div type="titlepage"><p>THE HERON</p></div></front>
  <body><div><head>CHAPTER I</head>
   <p><pb n=" 4"/>She came in on the
      morning <hi rend="italic">tide</hi>, with <choice><sic>barrells</sic><corr>barrels</corr></choice> of
      salt<note n="1">So the first edition.</note>.</p>
   <fw type="catch">By</fw>
   <p>By noon<lb/>the fog had lif<lb break="no"/>ted.</p>
   <lg><l>Over the water</l><l>  and under</l></lg>
   <quote><p>A letter.</p></quote>
   <figure><head>The quay</head><figDesc>A picture of a quay</figDesc></figure>
   <list><item>one</item><item>two</item></list>
   <table><row><cell>a</cell><cell>b</cell></row></table>
   <p>A name in <foreign xml:lang="el">γλῶσσα</foreign>, a <gap reason="illegible"/> and
   <gap unit="chars" quantity="2"><desc>••</desc></gap><del>gone</del>.</p>
  </div></body>
 </text>
</TEI>"""

P5_TEXT = """THE HERON

CHAPTER I

She came in on the morning tide, with barrells of salt.

By noon
the fog had lifted.

Over the water
and under

A letter.

The quay

one
two

a b

A name in γλῶσσα, a 〈…〉 and ••."""

TCP = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE ETS SYSTEM "http://example.invalid/eebo2prf.xml.dtd">
<ETS><TEMPHEAD><REVDESCR><CHANGE><ITEM>Proofed the title page</ITEM></CHANGE></REVDESCR></TEMPHEAD>
<EEBO><IDG ID="K1"><STC T="C">t1</STC></IDG>
<TEXT LANG="eng"><FRONT><DIV1 TYPE="title page">
<PB REF="1" MS="y"/><P><HI>The Harbour:</HI> A COMEDY, &amp;c.</P></DIV1></FRONT>
<BODY><DIV1 TYPE="act"><HEAD>ACT I.</HEAD>
<SP><SPEAKER>Mate.</SPEAKER><P><SEG REND="decorInit">T</SEG>He ſhip is
lo∣ſt, a pam¦phlet ſaid<PB N="2" REF="2"/> ſo.</P></SP>
<SP><SPEAKER>Master.</SPEAKER>
<L>What f<GAP DESC="illegible" RESP="x" EXTENT="1 letter" DISP="•"/>g, what</L><L>〈◊〉 <GAP
DESC="illegible" EXTENT="1 word" DISP="〈◊〉"/>!<NOTE PLACE="marg">Psal. 12.</NOTE></L></SP>
<STAGE>Exit.</STAGE>
<P>Lord M<GAP DESC="blank" DISP="_+"/>, 3<SUP>d</SUP><GAP DESC="duplicate" DISP="〈1 page duplicate〉"/>
<GAP DESC="foreign" DISP="〈 in non-Latin alphabet 〉"/></P>
</DIV1></BODY></TEXT></EEBO></ETS>"""

TCP_TEXT = """The Harbour: A COMEDY, &c.

ACT I.

Mate.
THe ſhip is loſt, a pamphlet ſaid ſo.

Master.
What f•g, what
〈◊〉 〈◊〉!

Exit.

Lord M_, 3d 〈…〉"""

HDR = """<HEADER><FILEDESC><TITLESTMT><TITLE TYPE="245">The harbour: a comedy:</TITLE>
<AUTHOR>Quill, A.</AUTHOR></TITLESTMT>
<PUBLICATIONSTMT><PUBPLACE>Ann Arbor</PUBPLACE><DATE>2011</DATE></PUBLICATIONSTMT><SOURCEDESC><BIBLFULL>
<PUBLICATIONSTMT><PUBPLACE>London :</PUBPLACE><DATE>1737.</DATE></PUBLICATIONSTMT></BIBLFULL></SOURCEDESC></FILEDESC>
<PROFILEDESC><LANGUSAGE ID="eng"><LANGUAGE>eng</LANGUAGE></LANGUSAGE></PROFILEDESC></HEADER>"""

TRIAL = """<div1 type="trialAccount" id="{id}">
   <interp inst="{id}" type="year" value="1728"/><interp inst="{id}" type="uri" value="sessionsPapers/17280717"/>
   <xptr type="pageFacsimile" doc="1"/><join result="x" targets="y"/>
   <p>
      <persName id="p1">
         John
         {name}
      <interp inst="p1" type="surname" value="{name}"/></persName>
      , of <placeName>Wapping</placeName>
      , was indicted; <persName>Ann Oar</persName>
      's evid<lb/>ence (heard by the <rs>Court</rs>
      ) was <hi rend="italic">clear</hi> .<note>[Fine. See summary.]</note></p>
   <p>Guilty .</p></div1>"""

TRIAL_TEXT = "John {name}, of Wapping, was indicted; Ann Oar's evidence (heard by the Court) was clear .\n\nGuilty ."

SESSION = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<TEI.2><text><body><div0 type="sessionsPaper" id="17280717"><interp inst="17280717" type="date" value="17280717"/>
{TRIAL.format(id="t1", name="Bréhat")}{TRIAL.format(id="t2", name="Gull")}
<div1 type="advertisements" id="a1"><interp inst="a1" type="date" value="17280717"/><xptr/></div1>
</div0></body></text></TEI.2>"""

ACCOUNT = """<TEI.2><text><body><div0 type="ordinarysAccount" id="OA1"><interp inst="OA1" type="date" value="17040922"/>
<interp inst="OA1" type="uri" value="ordinarysAccounts/OA1"/><p>THE ORDINARY his Account.</p>
<div1><p>He died.</p></div1>
</div0></body></text></TEI.2>"""


def test_p5(document: Callable[..., Document]) -> None:
    found = document("a.xml", P5.replace('<lb break="no"/>', ""))
    assert found.text == P5_TEXT
    assert dict(found.meta) == {
        "title": "The Heron — a Tale",
        "author": "Marsh, Ada (1801-1870)",
        "year": 1848,
        "place": "London",
        "language": "en",
        "licence": "CC-BY-4.0",
        "illegible": 3,
        "notes_left_out": 1,
        "path": "a.xml",
    }


def test_a_break_inside_a_word_is_none(document: Callable[..., Document]) -> None:
    assert "the fog had lifted." in document("a.xml", P5).text


def test_tcp(document: Callable[..., Document]) -> None:
    found = document("a.xml", TCP)
    assert found.text == TCP_TEXT
    assert dict(found.meta) == {"language": "en", "illegible": 3, "notes_left_out": 1, "path": "a.xml"}


def test_a_header_beside_says_what_the_file_does_not(document: Callable[..., Document], tmp_path: Path) -> None:
    header = tmp_path / "a.hdr"
    header.write_text(HDR)
    meta = document("a.xml", TCP, header=header).meta
    assert {key: meta[key] for key in ("title", "author", "year", "place", "language")} == {
        "title": "The harbour: a comedy:",
        "author": "Quill, A.",
        "year": 1737,
        "place": "London",
        "language": "en",
    }
    header.write_text("<broken")
    assert document("a.xml", TCP, header=header).text == TCP_TEXT
    assert document("a.xml", P5, header=header).meta["year"] == 1848, "its own header counts"


def test_a_session_is_a_document_per_trial(read: Callable[..., list[Document | Rejected]]) -> None:
    first, second, empty = read("s.xml", SESSION.encode("latin-1"))
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert (first.id, first.text) == ("s.xml:t1", TRIAL_TEXT.format(name="Bréhat"))
    assert dict(first.meta) == {
        "year": 1728,
        "kind": "trialAccount",
        "work": "sessionsPapers/17280717",
        "notes_left_out": 1,
        "encoding": "cp1252",
        "path": "s.xml",
    }
    assert (second.id, second.text) == ("s.xml:t2", TRIAL_TEXT.format(name="Gull"))
    assert empty == Rejected("s.xml:a1", "no text in it", "nothing but markup")


def test_parts_with_one_id_stay_apart(read: Callable[..., list[Document | Rejected]]) -> None:
    assert [each.id for each in read("s.xml", SESSION.replace('id="t2"', 'id="t1"').encode())] == [
        "s.xml:1",
        "s.xml:2",
        "s.xml:3",
    ]


def test_a_trial_alone_is_the_same_text(document: Callable[..., Document]) -> None:
    found = document("t2.xml", TRIAL.format(id="t2", name="Gull"))
    assert found.text == TRIAL_TEXT.format(name="Gull")
    assert found.meta["work"] == "sessionsPapers/17280717"


def test_an_account_is_one_document(document: Callable[..., Document]) -> None:
    found = document("OA1.xml", ACCOUNT)
    assert found.text == "THE ORDINARY his Account.\n\nHe died."
    assert dict(found.meta) == {
        "year": 1704,
        "kind": "ordinarysAccount",
        "work": "ordinarysAccounts/OA1",
        "path": "OA1.xml",
    }


def test_a_corpus_is_a_document_per_work(read: Callable[..., list[Document | Rejected]]) -> None:
    works = "".join(f"<TEI><text><p>Work {number}.</p></text></TEI>" for number in (1, 2))
    found = read("c.xml", f"<teiCorpus><teiHeader/>{works}</teiCorpus>".encode())
    assert [(each.id, each.text) for each in found if isinstance(each, Document)] == [
        ("c.xml:1", "Work 1."),
        ("c.xml:2", "Work 2."),
    ]


def test_signs_with_names(document: Callable[..., Document]) -> None:
    markup = '<TEI><text><p>lo<g ref="char:EOLhyphen"/>st <g ref="char:abque">q̄</g> <g ref="char:x"/></p></text></TEI>'
    found = document("a.xml", markup)
    assert (found.text, found.meta["illegible"]) == ("lost q̄ •", 1)


@pytest.mark.parametrize(
    ("markup", "why"),
    [
        ("<TEI><text><note>only a note</note></text></TEI>", "no text in it: nothing but markup"),
        (HDR, "a header, not a text: header"),
        ("<TEI><text>&nobody;</text></TEI>", "broken XML"),
        ("<!DOCTYPE TEI SYSTEM 'x'><TEI><text>&nobody;</text></TEI>", "an entity that nothing explains: nobody"),
        ("<svg/>", "XML of a kind that is not read here: svg"),
        ("<document/>", "XML of a kind that is not read here: document"),
    ],
)
def test_what_is_no_text_is_told(markup: str, why: str, reason: Callable[..., str]) -> None:
    assert reason("a.xml", markup).startswith(why)
