"""Mojibake is undone where it is certain, and nothing else is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.text.read.mojibake import mended

PRINTED = "It’s “déjà vu” — an œuvre of £5, § 3, café Noël …"
WINDOWS = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))


def misread(text: str, encoding: str = "cp1252") -> str:
    """As a program shows UTF-8 that it takes for another encoding; the bytes cp1252 lacks show as controls."""
    return "".join(WINDOWS[byte] if encoding == "cp1252" else chr(byte) for byte in text.encode("utf-8"))


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_what_was_misread_once_is_undone(encoding: str) -> None:
    assert mended(misread(PRINTED, encoding)) == (PRINTED, f"utf-8 read as {encoding}, undone")
    assert mended("plain ASCII, then " + misread("é", encoding))[0] == "plain ASCII, then é"


def test_a_mark_that_was_misread_goes_as_well() -> None:
    assert mended("ï»¿Straße".replace("ß", misread("ß"))) == ("Straße", "utf-8 read as cp1252, undone")
    assert mended("ï»¿plain")[0] == "plain"


@pytest.mark.parametrize(
    "text",
    [
        PRINTED,
        "Misread once, and once not: Ã© and é",
        "The é that shows as Ã©",
        "SÃO PAULO, À LA CARTE, ÂGE, Ångström, naïve, ÃÂ",
        "FORÊT « ÉTÉ » À 5 €",
        "CAFÉ»",
        "Å ",
        "Привет, мир",
        "これ",
        "a \u200b b",
        "\ud800Ã©",
        misread("Привет"),
        misread("鷗"),
        misread("é, Привет"),
    ],
)
def test_what_is_not_certain_is_kept(text: str) -> None:
    assert mended(text) == (text, "")


def test_only_one_layer_is_undone() -> None:
    assert mended(misread(misread("é à ù")))[0] == misread("é à ù")


@given(st.text())
def test_nothing_but_the_exact_mistake_is_ever_undone(text: str) -> None:
    found, said = mended(text)
    assert (found == text) == (not said)
    if said:
        assert misread(found, said.split()[3].rstrip(",")) == text.removeprefix("ï»¿")


@given(st.text(st.sampled_from("aZ .éàüßçœ£§“”’—…€\n")))
def test_western_print_comes_back(text: str) -> None:
    assert mended(misread(text))[0] == text
    assert mended(text) == (text, "")
