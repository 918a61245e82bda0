from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import RecipeFault
from holdfast.base.layers import from_values, from_words, from_yaml, merge


def read(text: str) -> dict[str, object]:
    return from_yaml(text, "a.yaml", "file a.yaml").values


def test_yaml_is_text_until_a_type_says_otherwise() -> None:
    text = "a: 010\nb: no\nc: 1.10\nd: 2024-01-02\ne: 12:30\nf: null\ng:\nh: 'null'\ni: [1, ~, x]\nj: ''\n"
    expected = {"a": "010", "b": "no", "c": "1.10", "d": "2024-01-02", "e": "12:30", "f": None, "g": None}
    assert read(text) == expected | {"h": "null", "i": ["1", None, "x"], "j": ""}


def test_groups_and_dotted_names_are_the_same() -> None:
    assert read("a: {b: {c: 1}}") == read("a.b.c: 1") == read("a:\n  b.c: 1") == {"a.b.c": "1"}


def test_each_value_knows_its_file_and_line() -> None:
    layer = from_yaml("\na:\n  b: 1\n", "a.yaml", "file a.yaml")
    assert layer.where("a.b") == layer.where("a") == "file a.yaml line 3"
    assert layer.where("c") == "default"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\nb: 2\na: 3", 3), ("a: {b: 1}\na: {c: 1}", 2), ("a: {b: 1}\na.b: 2", 2), ("x: {y: 1, y: 2}", 1)],
)
def test_a_duplicate_is_refused_with_both_lines(text: str, line: int) -> None:
    with pytest.raises(RecipeFault, match=f"a.yaml line {line}: .* is given twice, first on line 1"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: b: c",
        "\ta: 1",
        "a: *missing",
        "- a\n- b",
        "just words",
        "a: 1\n---\nb: 2",
        "? [a]\n: 1",
        "a: \x00",
        "a: &a [*a]",
        "a: &a {b: *a}",
        "[" * 5000,
    ],
)
def test_what_is_no_recipe_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RecipeFault) as caught:
        read(text)
    assert "a.yaml" in caught.value.cause
    assert "\n" not in caught.value.cause


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader_in_any_other_way(text: str) -> None:
    with contextlib.suppress(RecipeFault):
        read(text)


def test_an_empty_file_says_nothing() -> None:
    assert read("") == read("# only a comment\n") == {}


def test_words_of_the_command_line() -> None:
    words = ["a.b=1e-3", "--c-d=x=y", "e=[p, 'q, r', null]", "f=*.txt", "g=null", "h=[not a list", 'i="null"', "j= 5 "]
    assert from_words(words).values == {
        "a.b": "1e-3",
        "c_d": "x=y",
        "e": ["p", "q, r", None],
        "f": "*.txt",
        "g": None,
        "h": "[not a list",
        "i": "null",
        "j": "5",
    }


@pytest.mark.parametrize("words", [["steps"], ["=5"], ["a="], ["a= "], ["a=1", "a=2"]])
def test_words_that_say_nothing_or_say_it_twice_are_refused(words: list[str]) -> None:
    with pytest.raises(RecipeFault):
        from_words(words)


def test_a_later_layer_wins_and_brings_its_source() -> None:
    merged = merge([from_yaml("a: 1\nb: 2", "f", "file f"), from_values({"a": "3"}, "command line")], {})
    assert merged.values == {"a": "3", "b": "2"}
    assert merged.where("a") == "command line"
    assert merged.where("b") == "file f line 2"


def test_a_later_setting_sets_aside_what_it_stands_in_for() -> None:
    replaces = {"path": ("made",), "made": ("path",)}
    base, over = from_values({"made": "harbour", "path": None}, "default"), from_values({"path": "x"}, "file")
    merged = merge([base, over], replaces)
    assert merged.values == {"made": None, "path": "x"}
    assert merged.sources["made"] == "set aside for path"
    both = merge([base, from_values({"path": "x", "made": "y"}, "file")], replaces)
    assert both.values == {"made": "y", "path": "x"}, "said together, both stay for the recipe to judge"
    assert merge([base, from_values({"path": None}, "file")], replaces).values["made"] == "harbour"


@pytest.mark.parametrize("values", [{"a.b": "1", "a": None}, {"a": None, "a.b": "1"}, {"a.b": "1", "a": {}}])
def test_a_group_with_nothing_under_it_takes_nothing_away(values: dict[str, object]) -> None:
    assert from_values(values, "x").nested() == {"a": {"b": "1"}}


@pytest.mark.parametrize("values", [{"a.b": "1", "a": "tiny"}, {"a": "tiny", "a.b": "1"}])
def test_a_value_in_the_place_of_a_group_is_kept_for_the_type_to_refuse(values: dict[str, object]) -> None:
    assert from_values(values, "x").nested() == {"a": "tiny"}
