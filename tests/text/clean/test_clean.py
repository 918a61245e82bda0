"""Cleaning: what it mends, what it must not touch, and that twice is once."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.text.clean import SAFE, STEPS, StepName, clean, versions

ALL: tuple[StepName, ...] = tuple(STEPS)
BOOK = """The Project Gutenberg EBook of Angling, by Isaak Walton

*** START OF THIS PROJECT GUTENBERG EBOOK ANGLING ***

Produced by A. Reader and
the Proofreaders

CHAPTER I

He fished.

End of Project Gutenberg's Angling, by Isaak Walton

*** END OF THIS PROJECT GUTENBERG EBOOK ANGLING ***

*** START: FULL LICENSE ***
Keep out.
"""
PROSE = """No doubt he would have told her everything if she had asked him at the
right time, but the right time never came, and when the boat had gone it
was too late to say anything at all."""
VERSE = """The sea is calm to-night.
The tide is full, the moon lies fair
Upon the straits; on the French coast the light
Gleams and is gone; the cliffs of England stand,"""

# Pieces that meet in hostile ways: marks that combine, breaks of every kind, edges of books, lines about to be wrapped.
EDGES = ["*** START OF THIS PROJECT GUTENBERG EBOOK X ***", "*** END OF THE PROJECT GUTENBERG EBOOK X", "***"]
LINES = ["Produced by me", "End of Project Gutenberg's X", "x" * 60, "word " * 12 + "end", "\r\n", "\n\n"]
PRINT = ["*END THE SMALL PRINT! FOR ETEXTS*Ver.1*END*", "Digitized by Google", "[Transcriber's Note: x]", "oogle"]
MARKS = ["<p>", "</p>", "<br/>", "<!--", "-->", "&amp;", "lt;", "&#8217;", "ﬁ", "ſ", "\u00ad", "¬", "[Pg 3]", "^~. »"]
WORDS = [
    "12",
    "13",
    "14",
    "15",
    "PAGE HEAD",
    "con-",
    "con",
    "tinue",
    "continue",
    "continue",
    "curiou s",
    "curious",
    "B2",
]
pieces = st.sampled_from(
    [*"e\u0301\0\r\n \t\f\u2028\u2029\x85\ufeff\u1100\u1161-\ud800", *EDGES, *LINES, *PRINT, *MARKS, *WORDS, "x" * 720]
)


@given(st.lists(pieces, max_size=30).map("".join), st.sampled_from(ALL))
def test_a_step_twice_is_that_step_once(text: str, name: StepName) -> None:
    once = STEPS[name](text)
    assert STEPS[name](once) == once


@given(st.lists(pieces, max_size=30).map("".join), st.sets(st.sampled_from(ALL)).map(tuple))
@example("e\0\u0301", ("controls", "nfc"))
@example("\n\0\n\0\n", SAFE)
def test_twice_is_once(text: str, names: tuple[StepName, ...]) -> None:
    once = clean(text, names)
    assert clean(once, names) == once


@pytest.mark.parametrize(
    "text",
    [
        "A line.\n\nA paragraph,\nwrapped.\n",
        "no newline at the end",
        "  Indented verse\n    goes on\n",
        "<|eot|> is spelled here, and <|assistant_start|> too",
        "Zwölf Boxkämpfer 你好 🚢 \u200d",
        VERSE,
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
    ],
)
def test_clean_text_passes_unchanged(text: str) -> None:
    assert clean(text) == text


def test_what_is_mended() -> None:
    assert clean("\ufeffone\r\ntwo\rthree\fpage  \n\n\n\nfour\t\n\n") == "one\ntwo\nthree\npage\n\nfour\n"
    assert clean("a\0b\x07c\x7fd") == "abcd"
    assert clean("cafe\u0301") == unicodedata.normalize("NFC", "cafe\u0301")
    assert clean("one\u2029two\u2028three") == "one\n\ntwo\nthree"


def test_only_the_book_is_left_of_a_gutenberg_file() -> None:
    assert clean(BOOK) == "CHAPTER I\n\nHe fished.\n"
    assert clean(BOOK.replace("\n", "\r\n")) == "CHAPTER I\n\nHe fished.\n"
    assert clean(BOOK + BOOK).count("He fished.") == 2


def test_text_about_gutenberg_stays() -> None:
    text = "Project Gutenberg has a header.\n*** It is long. ***\nEnd of Project Gutenberg? No.\n"
    assert clean(text) == text


def test_hand_wrapped_paragraphs_are_joined_and_verse_is_not() -> None:
    joined = clean(f"{PROSE}\n\n{VERSE}\n", ("unwrap",))
    assert joined == PROSE.replace("\n", " ") + f"\n\n{VERSE}\n"


def test_a_word_divided_by_the_author_keeps_its_hyphen() -> None:
    first, second = (
        "x" * 40 + " and so he was a well-",
        "known man in the whole of the town and of the country about it",
    )
    assert clean(f"{first}\n{second}", ("unwrap",)) == first + second


def test_steps_run_in_their_own_order() -> None:
    names: tuple[StepName, ...] = ("blank_lines", "newlines")
    assert clean("a\r\n\r\n\r\nb", names) == "a\n\nb"
    assert list(versions(names)) == ["newlines", "blank_lines"]


ENDLESS = [
    "a",
    " ",
    "\n",
    " \n",
    "\r",
    "*",
    "-",
    "a-\n",
    "<i>",
    "&amp;",
    "1\n",
    "a b",
    "A\n\n",
    "¬\na",
    "« ",
    "<!--",
    "0 a",
]
ENDLESS += ["*** START OF THIS PROJECT GUTENBERG EBOOK ", "Transcriber's note\n", "[Transcriber's note", "HEAD 7\n"]
ENDLESS += ["Digitized by ", "This is a digital copy of a book that was preserved for generations ", "<script>"]


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ENDLESS)
def test_endless_repetition_takes_linear_time(unit: str) -> None:
    clean(unit * (500_000 // len(unit)) + "x", ALL)
