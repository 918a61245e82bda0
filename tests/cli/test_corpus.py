"""`holdfast corpus show`: what cleaning does, for people and for programs."""

from pathlib import Path

import pytest

from .conftest import holdfast

BOOK = """The Project Gutenberg EBook of Angling

*** START OF THIS PROJECT GUTENBERG EBOOK ANGLING ***

He fished.

*** END OF THIS PROJECT GUTENBERG EBOOK ANGLING ***
"""


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(BOOK)
    (folder / "b.txt").write_text("A clean \x1b[31mtext.\n")
    (folder / "c.txt").write_text("")
    return folder


def test_files_without_a_recipe(texts: Path) -> None:
    shown = holdfast("corpus", "show", texts)
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0] == "a.txt"
    assert lines[1].split() == ["boilerplate", "-121", "characters", "-6", "lines"]
    assert "-The Project Gutenberg EBook of Angling" in lines
    assert " He fished." in lines
    assert "c.txt  left out: empty" in lines
    assert "\x1b" not in shown.out, "a text can not command the terminal"


def test_before_and_after(texts: Path) -> None:
    shown = holdfast("corpus", "show", texts / "a.txt", "--before", "--after", "--json").json
    assert shown == [
        {
            "id": "a.txt",
            "rejected": None,
            "steps": [{"step": "boilerplate", "characters": 121, "lines": 6}],
            "before": BOOK.rstrip("\n"),
            "after": "He fished.",
        }
    ]


def test_a_recipe_a_document_and_a_step(texts: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"extends: smoke\ncorpus: {{path: {texts}, overrides: [{{match: b*, enabled: false, reason: no}}]}}\n"
    )
    shown = holdfast("corpus", "show", recipe, "--document", "b.txt", "--json").json
    assert [(each["id"], each["rejected"]) for each in shown] == [("b.txt", "switched off: no")]
    shown = holdfast("corpus", "show", recipe, "--step", "trailing", "--sample", "2", "--json").json
    assert [each["steps"] for each in shown] == [[], []]


def test_long_texts_are_cut_and_it_says_so(texts: Path) -> None:
    shown = holdfast("corpus", "show", texts / "a.txt", "--before", "--lines", "2")
    assert shown.out.splitlines()[-2:] == ["", "... 5 more lines; --lines 0 shows all"]
    assert "more lines" not in holdfast("corpus", "show", texts / "a.txt", "--before", "--lines", "0").out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--step", "page_number"], 2, "did you mean page_numbers?"),
        (["--document", "d.txt"], 1, "the first are called a.txt, b.txt, c.txt"),
        (["corpus.min_chars=3"], 2, "did you mean corpus.gates.min_chars?"),
        (["corpus.words=/no/such/list"], 1, "check corpus.words"),
    ],
)
def test_what_can_not_be_shown_is_told(texts: Path, words: list[str], code: int, told: str) -> None:
    shown = holdfast("corpus", "show", texts, *words)
    assert (shown.code, shown.out) == (code, "")
    assert told in shown.err
