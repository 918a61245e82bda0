"""What a recipe says of some texts only, what is noted of a cleaned text, and the loss that is too much."""

from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.text.rejection import Rejected
from holdfast.text.rules import Rules, versions
from holdfast.text.settings import CorpusSettings


def treat(text: str, id: str = "a.txt", meta: dict[str, Any] | None = None, **settings: Any) -> Document | Rejected:
    return Rules(CorpusSettings.model_validate(settings)).treat(Document(id, text, {"path": id, **(meta or {})}))


def why(found: Document | Rejected) -> str:
    assert isinstance(found, Rejected)
    return found.why


def test_steps_that_changed_a_text_are_named_and_others_are_not() -> None:
    changed = treat("one \r\ntwo\n")
    assert isinstance(changed, Document)
    assert (changed.text, changed.meta["cleaned"]) == ("one\ntwo\n", ["newlines", "trailing"])
    same = treat("one\ntwo\n")
    assert isinstance(same, Document)
    assert same.meta == {"path": "a.txt"}


OVERRIDES = [
    {"match": "oldbailey", "enabled": False, "reason": "tables make a model repeat itself"},
    {"match": "raw/*.txt", "clean": []},
    {"match": "*.txt", "clean": ["trailing"], "gates": {"min_chars": 3}},
    {"match": "*", "enabled": False},
]


@pytest.mark.parametrize(
    ("id", "source", "text", "expected"),
    [
        ("x.txt", "oldbailey", "a \n\n\n\nb", "switched off: tables make a model repeat itself"),
        ("raw/x.txt", None, "a \n\n\n\nb", "a \n\n\n\nb"),
        ("x.txt", None, "a \n\n\n\nb", "a\n\n\n\nb"),
        ("x.txt", None, "a ", "too short: 1 of 3 characters"),
        ("x.md", None, "a ", "switched off: by the override for *"),
    ],
)
def test_the_first_override_that_matches_counts(id: str, source: str | None, text: str, expected: str) -> None:
    found = treat(text, id, {"source": source}, overrides=OVERRIDES)
    assert (found.why if isinstance(found, Rejected) else found.text) == expected


def test_what_an_override_does_not_say_holds_as_for_all() -> None:
    settings = {
        "gates": {"min_chars": 5, "period": [1500, 1600]},
        "overrides": [{"match": "*", "gates": {"min_words": 2}}],
    }
    assert why(treat("abc", **settings)) == "too short: 3 of 5 characters"
    assert why(treat("abcdef", **settings)) == "too few words: 1 of 2"
    assert why(treat("abc def", meta={"year": 1700}, **settings)) == "outside the period: 1700 is not in 1500 to 1600"


def test_an_override_can_ask_for_less_than_is_asked_of_all() -> None:
    gates = {"period": [1500, 1600], "undated": False, "licences": {"unknown": False, "deny": ["mit"]}}
    assert why(treat("x", gates=gates)) == "no year: 1500 to 1600 is asked for"
    override = {"match": "*", "gates": {"undated": True, "licences": {"unknown": True}}}
    assert isinstance(treat("x", gates=gates, overrides=[override]), Document)
    assert why(treat("x", meta={"licence": "MIT"}, gates=gates, overrides=[override])) == "licence denied: MIT"


def test_a_step_that_would_take_too_much_leaves_the_text_out() -> None:
    page = "<p>" + "<b></b>" * 40 + "some words that stay</p>"
    assert why(treat(page, clean=["markup"])) == "cleaning would lose too much: markup would take 94%, at most 30%"
    assert isinstance(treat(page, clean=["markup"], gates={"max_lost": 0.96}), Document)
    assert isinstance(treat("<p>a</p>", clean=["markup"]), Document)


def test_boilerplate_may_be_most_of_a_file() -> None:
    licence = "Licence, and more licence.\n" * 99
    edge = "*** {} OF THE PROJECT GUTENBERG EBOOK X ***"
    found = treat(f"{licence}{edge.format('START')}\nA haiku.\n{edge.format('END')}\n{licence}")
    assert isinstance(found, Document)
    assert found.text == "A haiku.\n"


def test_a_list_of_words_helps(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"\xef\xbb\xbfcurious\r\n# no word\r\n\r\n")
    found = treat("A curiou s man.", clean=["broken_words"], words=str(tmp_path / "words"))
    assert isinstance(found, Document)
    assert found.text == "A curious man."
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xff")
    for name in ("none", "bytes"):
        with pytest.raises(DataFault, match="word list"):
            treat("x", words=str(tmp_path / name))


def test_versions_are_of_all_steps_that_may_be_taken() -> None:
    settings = CorpusSettings.model_validate({"clean": ["nfc"], "overrides": [{"match": "x", "clean": ["markup"]}]})
    assert set(versions(settings)["clean"]) == {"nfc", "markup"}
    assert versions(settings)["gates"] >= 1
