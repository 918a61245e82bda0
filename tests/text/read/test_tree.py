"""XML that comes from anywhere: nothing is opened, nothing fetched, nothing grows."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import DataFault
from holdfast.text.read import tree
from holdfast.text.read.place import Place
from holdfast.text.read.tree import parse
from holdfast.text.read.walk import line_of
from holdfast.text.rejection import Unreadable

pytest.importorskip("lxml")
HERE = Place("a.xml", "a.xml", "text")


def text(markup: str | bytes) -> str:
    root, entities, _ = parse(markup.encode() if isinstance(markup, str) else markup, HERE)
    return line_of(root, entities)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<a>x &amp; y &#8212; &#x41;</a>", "x & y — A"),
        ('<!DOCTYPE a [<!ENTITY dash "&#8212;">]><a>x &dash; y</a>', "x — y"),
        ('<!DOCTYPE a SYSTEM "http://example.invalid/a.dtd"><a>x &mdash; y</a>', "x — y"),
        ("<a>x &mdash; y &eacute;</a>", "x — y é"),
        ("<a>Smith & Sons, &c. AT&T</a>", "Smith & Sons, &c. AT&T"),
        ("<a>one\fpage</a>", "one page"),
        ("<a>x<!-- not this -->y<?nor this?>z</a>", "xyz"),
        ("<a><![CDATA[<b> & ]]></a>", "<b> &"),
        ("\ufeff<a>marked</a>", "marked"),
        ('<?xml version="1.0" encoding="utf-16"?><a>lies</a>', "lies"),
    ],
)
def test_what_a_text_says(markup: str, expected: str) -> None:
    assert text(markup) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "ISO-8859-1", "utf-16"])
def test_the_encoding_is_found_whatever_is_declared(encoding: str) -> None:
    for declared in (encoding, "ISO-8859-1"):
        assert text(
            f'<?xml version="1.0" encoding="{declared}"?><a>café à l’été</a>'.replace("’", "'").encode(encoding)
        )
    assert text('<?xml version="1.0" encoding="ISO-8859-1"?><a>café – été</a>'.encode("cp1252")) == "café – été"


def test_nothing_of_this_machine_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for declaration in (
        f'<!ENTITY x SYSTEM "{secret.as_uri()}">',
        f'<!ENTITY x SYSTEM "{secret}">',
        f'<!ENTITY % p SYSTEM "{secret.as_uri()}"> %p; <!ENTITY x "y">',
        f'<!ENTITY x PUBLIC "-//X//Y" "{secret.as_uri()}">',
    ):
        try:
            found = text(f"<!DOCTYPE a [{declaration}]><a>&x;</a>")
        except Unreadable as error:
            found = error.reason
        assert "secret" not in found
    dtd = tmp_path / "a.dtd"
    dtd.write_text('<!ENTITY x "from outside"><!ATTLIST a b CDATA "default">')
    with pytest.raises(Unreadable, match="nothing explains"):
        text(f'<!DOCTYPE a SYSTEM "{dtd.as_uri()}"><a>&x;</a>')


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


HOSTILE = {
    "laughs": f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l11;</a>',
    "laughs in an attribute": f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a b="&l11;"/>',
    "one entity often": f'<!DOCTYPE a [<!ENTITY x "{"x" * 50_000}">]><a>{"&x;" * 50_000}</a>',
    "circle": '<!DOCTYPE a [<!ENTITY x "&y;"><!ENTITY y "&x;">]><a>&x;</a>',
    "itself": '<!DOCTYPE a [<!ENTITY x "<b>&x;</b>">]><a>&x;</a>',
    "elements": "<a>" + "<b/>" * 100_000 + "</a>",
    "never closed": "<a>" * 100_000,
    "deep": "<a>" * 3000 + "</a>" * 3000,
    "spaces": " " * 1_000_000 + "<a/>",
    "spaces inside": "<a>" + " " * 1_000_000 + "&" * 100_000 + "</a>",
    "declarations": "<?xml " * 200_000,
}


def test_an_entity_stands_for_a_character_or_two() -> None:
    assert text('<!DOCTYPE a [<!ENTITY x "eight_ch">]><a>&x;</a>') == "eight_ch"
    with pytest.raises(Unreadable, match="no character"):
        text('<!DOCTYPE a [<!ENTITY x "nine_char">]><a>&x;</a>')


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_grows_without_end(kind: str) -> None:
    with contextlib.suppress(Unreadable):
        assert len(text(HOSTILE[kind])) <= len(HOSTILE[kind])


def test_the_number_of_elements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_TAGS", 10)
    with pytest.raises(Unreadable, match="too many parts"):
        text("<a>" + "<b/>" * 10 + "</a>")


@pytest.mark.parametrize(
    "markup", ["", "no XML", "<a><b></a>", "<a>&unknown;</a>", "<a b=c/>", "<a/><a/>", "<", "<a>\ud7ff"]
)
def test_what_is_broken_has_a_reason(markup: str) -> None:
    with pytest.raises(Unreadable):
        text(markup)


@given(st.text(st.sampled_from("<>&;/a!?['\"]- \n#x\0é")) | st.binary(max_size=200))
def test_anything_gives_text_or_a_reason(markup: str | bytes) -> None:
    with contextlib.suppress(Unreadable):
        text(markup).encode("utf-8")


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lxml", None)
    with pytest.raises(DataFault, match="needs the library lxml") as caught:
        text("<a/>")
    assert "holdfast[data]" in caught.value.remedy
