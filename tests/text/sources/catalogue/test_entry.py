"""What an entry may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from holdfast.text.sources.catalogue.entry import FIELDS, Entry, Years, parse_years


def entry(**fields: object) -> Entry:
    return Entry.model_validate({"name": "It", "licence": "CC0-1.0", "kind": "local", "path": "x"} | fields)


def problems(**fields: object) -> dict[str, str]:
    return {problem.path: problem.what for problem in entry(**fields).problems()}


@given(st.integers(100, 9999), st.integers(0, 500))
def test_years_are_read_as_they_are_written(first: int, more: int) -> None:
    years = Years(first, min(first + more, 9999))
    assert parse_years(str(years)) == years
    assert entry(period=str(years)).model_dump(mode="json")["period"] == str(years)


@pytest.mark.parametrize("text", ["", "1500-", "c. 1600", "1850-1500", "15-16", "12345", "1500-1600-1700", "-5", None])
def test_what_are_no_years(text: str | None) -> None:
    with pytest.raises(ValueError, match=r"years|ends"):
        parse_years(text)


def test_periods_meet() -> None:
    assert Years(1500, 1600).meets(Years(1600, 1700))
    assert not Years(1500, 1599).meets(Years(1600, 1700))
    assert parse_years(["1500", "1850"]) == parse_years(" 1500 - 1850 ") == (1500, 1850)


@pytest.mark.parametrize(("text", "size"), [("5GB", 5_000_000_000), ("500 MB", 500_000_000), ("1.5G", 1_500_000_000)])
def test_sizes_are_written_as_people_write_them(text: str, size: int) -> None:
    assert entry(kind="http-list", urls=["https://a.example"], path=None, max_bytes=text).max_bytes == size


@pytest.mark.parametrize("text", ["much", "5 TB", "-1", "0", ""])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValidationError):
        entry(max_bytes=text)


@pytest.mark.parametrize("kind", list(FIELDS))
def test_a_kind_says_what_it_needs(kind: str) -> None:
    assert set(problems(kind=kind, path=None)) == {choice[0] for choice in FIELDS[kind][0]}  # type: ignore[index]


def test_a_field_of_another_kind_is_refused() -> None:
    assert problems(series=["eebo"]) == {"series": "kind local does not use it"}
    assert problems(max_items=3) == {"max_items": "kind local does not use it"}


def test_what_is_off_says_why() -> None:
    assert "why" in problems(enabled=False)
    assert not problems(enabled=False, why="because")


def test_a_repository_has_an_owner() -> None:
    assert problems(kind="github", repo="../x/y", files=["*"], path=None) == {"repo": "'../x/y' names no repository"}
