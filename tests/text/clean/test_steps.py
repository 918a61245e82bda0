"""The steps that have to be asked for: what each mends, and what it leaves alone."""

from itertools import pairwise

import pytest

from holdfast.text.clean import SAFE, STEPS, changes, clean
from holdfast.text.clean.words import read_words

PAGE = "It was the best of times, it was the worst of times, and the people of the town went about their ways.\n" * 12


def pages(mark: str, first: int = 191, count: int = 6) -> str:
    return "".join(f"{PAGE}{mark.format(first + number)}\n" for number in range(count)) + PAGE


@pytest.mark.parametrize(
    "mark",
    ["{}", "   {}   ", "[{}]", "- {} -", "Page {}", "\n\n{}\n\n", "THE TIMES. {}", "{}  A TALE OF TOWNS", "Pg. {}"],
)
def test_page_numbers_go(mark: str) -> None:
    assert clean(pages(mark), ("page_numbers", "blank_lines")) == clean(pages("\n"), ("blank_lines",))


def test_a_sentence_that_a_page_cut_in_two_is_whole_again() -> None:
    text = pages("\n{}\n").replace("their ways.\n\n191\n\nIt was", "their ways,\n\n191\n\nfor it was")
    assert "their ways,\nfor it was" in clean(text, ("page_numbers",))


def test_signatures_and_catchwords_go_with_the_page() -> None:
    text = pages("{}").replace("\n192\n", "\nB2\n192\n").replace("\n193\n", "\nIt\n193\n")
    assert clean(text, ("page_numbers", "blank_lines")) == clean(pages("\n"), ("blank_lines",))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{number}" for number in range(100)),  # a column of a table
        "".join(f"{PAGE}{year}\n" for year in (1851, 1848, 1860, 1849, 1872)),  # years
        "".join(f"Chapter {number}\n\n{PAGE * number}" for number in range(1, 9)),
        "".join(f"{number}\n\nA stanza of a song,\nof no more than two lines.\n\n" for number in range(1, 30)),
        "".join(f"{number}\n{PAGE * (1 + 3 * (number % 3))}" for number in range(1, 20)),  # sections, of all lengths
        pages("{}", count=2),  # too few to tell
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert STEPS["page_numbers"](text) == text


def test_pages_of_project_gutenberg_inside_of_lines() -> None:
    assert STEPS["page_numbers"]("He went [Pg 12] home.") == "He went home."


def test_running_heads_go_and_speakers_stay() -> None:
    heads = f"\n{PAGE}\nTHE HISTORY OF TOWNS\n" * 9 + f"\n{PAGE}"
    assert "HISTORY" not in STEPS["running_heads"](heads)
    play = "".join(f"\n{PAGE * (number % 5)}\nHAMLET.\n\nWords.\n" for number in range(1, 40))
    assert STEPS["running_heads"](play) == play
    chapters = "".join(f"\n{PAGE}\nCHAPTER {number}\n" for number in range(1, 20))
    assert STEPS["running_heads"](chapters) == chapters


def test_divided_words_are_joined_when_the_document_knows_them() -> None:
    text = "A care-\nful man; a well-\nknown man, a to-\nday man.\nHe was careful. A well-known one, wellknown.\n"
    joined = "A careful\nman; a well-\nknown man, a to-\nday man.\nHe was careful. A well-known one, wellknown.\n"
    assert STEPS["hyphens"](text) == joined
    assert "today" in STEPS["hyphens"](text, read_words("today\ncareful\n"))


def test_marks_that_are_only_ever_hyphens() -> None:
    assert STEPS["hyphens"]("con\u00adtinue, con¬\ntinue so, ¬ p") == "continue, continue\nso, ¬ p"


def test_a_paragraph_break_is_no_division() -> None:
    text = "It was careful. A care-\n\nful man."
    assert STEPS["hyphens"](text) == text


def test_broken_words_are_joined_when_the_document_knows_them() -> None:
    known = "A curious case, most curious. "
    assert STEPS["broken_words"](f"{known}A curiou s man.") == f"{known}A curious man."
    assert STEPS["broken_words"]("A curiou s man.") == "A curiou s man."
    assert STEPS["broken_words"]("A curiou s man.", {"curious"}) == "A curious man."
    for text in (
        "Wellin gton, a ton. " * 2,
        "We may be in a river side inn; riverside, riverside.",
        f"{known} Curiou S",
    ):
        assert STEPS["broken_words"](text) == text


def test_noise_goes_and_ornaments_tables_and_code_stay() -> None:
    assert STEPS["noise_lines"]("One.\n^ ~. » i ■\nTwo.\n") == "One.\nTwo.\n"
    for text in (
        "* * * * *",
        "-----",
        "| 1 | 2 |",
        "});",
        "1 + 1 = 2;",
        "...",
        "•••• ◊",
        "(1) [2] {3}",
        "« Oui »",
        "£5 10s.",
    ):
        assert STEPS["noise_lines"](f"One.\n{text}\nTwo.\n") == f"One.\n{text}\nTwo.\n"


def test_tags_go_when_they_are_tags() -> None:
    html = "<p>A <i>fine</i> day&mdash;and a <b class='x'>bold</b> one.</p><br/>Tom &amp; Jerry<script>x=1</script>"
    assert clean(html, ("markup", "blank_lines")) == "A fine day—and a bold one.\n\nTom & Jerry"
    assert STEPS["markup"]('<pb n="3"/>One <hi rend="italic">word</hi> <gap/>here') == "One word here"


@pytest.mark.parametrize(
    "text",
    ["a < b and c > d", "<unk> is a token", "write <i> before it", "&lt;b&gt; is bold", "AT&T; R&D", "<name>, <place>"],
)
def test_what_may_be_no_tag_stays(text: str) -> None:
    assert STEPS["markup"](text) == text


def test_letters_of_old_print() -> None:
    assert STEPS["long_s"]("ſo ſaid fhe") == "so said fhe"
    assert STEPS["ligatures"]("ﬁne ﬂuﬀy oﬃce, œuvre æon") == "fine fluffy office, œuvre æon"
    assert STEPS["spaces"]("  in\tone\u00a0 \u2003line  \u200bhere") == "  in one line here"


def test_changes_are_told_in_order_until_nothing_is_left_to_do() -> None:
    text = "<i>A care-</i>\nful man; careful.  \n"
    found = list(changes(text, tuple(STEPS)))
    assert [each.step for each in found][:2] == ["trailing", "markup"]
    assert all(each.after == following.before for each, following in pairwise(found))
    assert clean(text, tuple(STEPS)) == found[-1].after == clean(found[-1].after, tuple(STEPS))
    assert sum(each.lost for each in found) == len("<i></i>-")
    assert set(SAFE) < set(STEPS)
