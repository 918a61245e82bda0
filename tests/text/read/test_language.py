"""Languages have two letters."""

import pytest

from holdfast.text.read.language import language_of


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("eng", "en"),
        ("EN-gb", "en"),
        ("pt_BR", "pt"),
        ("fre", "fr"),
        (" French ", "fr"),
        ("cy", "cy"),
        ("xyz", ""),
        ("Python", ""),
        ("", ""),
        ("e1", ""),
        ("éé", ""),
    ],
)
def test_languages_have_two_letters(said: str, expected: str) -> None:
    assert language_of(said) == expected
