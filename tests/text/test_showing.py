"""What a reader is shown of cleaning."""

from holdfast.base.records import Document
from holdfast.text.rejection import Rejected
from holdfast.text.rules import Rules
from holdfast.text.settings import CorpusSettings
from holdfast.text.showing import StepCount, unread, view

TEXT = "One <b>bold</b> word \r\n\r\n\r\n\r\nand more.\r\n"


def rules(**settings: object) -> Rules:
    return Rules(CorpusSettings.model_validate(settings))


def test_each_step_with_what_it_took() -> None:
    found = view(Document("a", TEXT), rules())
    assert (found.before, found.after, found.rejected) == (TEXT, "One <b>bold</b> word\n\nand more.\n", None)
    assert found.steps == (
        StepCount("newlines", 0, 0),
        StepCount("trailing", 0, 0),
        StepCount("blank_lines", 0, 2),
    )
    assert list(found.diff()) == ["@@ -1,5 +1,3 @@", " One <b>bold</b> word", " ", "-", "-", " and more."]


def test_one_step_in_its_place_though_no_recipe_names_it() -> None:
    found = view(Document("a", TEXT), rules(), "markup")
    assert found.before == "One <b>bold</b> word\n\n\n\nand more.\n"
    assert found.after == "One bold word\n\n\n\nand more.\n"
    assert found.steps == (StepCount("markup", 7, 0),)


def test_a_step_that_finds_nothing() -> None:
    found = view(Document("a", TEXT), rules(), "hyphens")
    assert found.before == found.after == "One <b>bold</b> word\n\nand more.\n"
    assert (found.steps, list(found.diff())) == ((), [])


def test_texts_that_are_left_out_are_shown_with_the_reason() -> None:
    found = view(Document("a", TEXT), rules(gates={"min_chars": 99}))
    assert found.rejected is not None
    assert (found.rejected.reason, found.after[:3]) == ("too short", "One")
    assert unread(Rejected("b", "unreadable file", preview="x")).before == "x"
