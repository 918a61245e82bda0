from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from holdfast.base.settings import (
    Count,
    Duration,
    Problem,
    Section,
    all_problems,
    flat,
    format_duration,
    free,
    group,
    identity,
    parse_duration,
    settings,
)


class Engine(Section):
    power: Count = Field(default=10, description="strength")
    fuel: Literal["coal", "oil"] | None = None
    polished: bool | None = None
    log_minutes: float | None = free(1.0)

    def problems(self) -> Iterator[Problem]:
        if self.power > 100:
            yield Problem("power", "too strong", "lower it")


class Ship(Section):
    name: str = "Heron"
    trip: Duration | None = None
    notes: list[str] = Field(default=["dry"])
    engine: Engine = group(Engine)
    spare: Engine = group(Engine)


@pytest.mark.parametrize(
    ("text", "number"),
    [("200", 200), ("10_000", 10_000), ("10M", 10_000_000), ("1.5k", 1500), ("2B", 2 * 10**9), (" 7 ", 7), (7, 7)],
)
def test_counts_are_read_as_people_write_them(text: object, number: int) -> None:
    assert Engine.model_validate({"power": text}).power == number


@given(st.integers(0, 10**30))
def test_a_count_is_exact_however_large(number: int) -> None:
    assert Engine.model_validate({"power": str(number)}).power == number


@pytest.mark.parametrize("text", ["1.5", "-1", "10MB", "1.0005k", "ten", "", "1_", "0x10", "1e3", "nan", None])
def test_what_is_no_count_is_refused(text: str | None) -> None:
    with pytest.raises(ValidationError):
        Engine.model_validate({"power": text})


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10min", 600), ("1.5h", 5400), ("2 hours", 7200), ("1d", 86400), ("3m", 180)]
)
def test_durations_carry_their_unit(text: str, seconds: float) -> None:
    assert Ship.model_validate({"trip": text}).trip == seconds


@pytest.mark.parametrize("text", ["10", 10, 10.0, True, "0s", "-5s", "10 parsecs"])
def test_a_duration_without_a_good_unit_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        Ship.model_validate({"trip": text})


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_a_written_duration_is_read_back_exactly(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


def test_off_switches_optional_settings_off_and_nothing_else() -> None:
    engine = Engine.model_validate({"fuel": "off", "log_minutes": "off", "polished": "off"})
    assert engine.fuel is None
    assert engine.log_minutes is None
    assert engine.polished is False  # for a yes-or-no setting, off is no
    assert Ship.model_validate({"name": "off"}).name == "off"
    with pytest.raises(ValidationError):
        Engine.model_validate({"power": "off"})


def test_a_group_with_nothing_under_it_keeps_its_defaults() -> None:
    assert Ship.model_validate({"engine": None}) == Ship()


def test_identity_leaves_out_what_is_free_at_any_depth() -> None:
    plain = identity(Ship())
    assert plain["engine"] == {"power": 10, "fuel": None, "polished": None}
    assert identity(Ship.model_validate({"engine": {"log_minutes": 9}})) == plain
    assert identity(Ship.model_validate({"engine": {"power": 9}})) != plain


def test_settings_and_values_are_listed_by_dotted_path_in_order() -> None:
    paths = [setting.path for setting in settings(Ship)]
    assert paths == list(flat(Ship()))
    assert paths[:4] == ["name", "trip", "notes", "engine.power"]
    assert flat(Ship.model_validate({"trip": "90min"}))["trip"] == "90min"
    assert [setting.path for setting in settings(Ship) if setting.free] == ["engine.log_minutes", "spare.log_minutes"]


def test_problems_are_found_in_every_group_with_their_full_path() -> None:
    ship = Ship.model_validate({"engine": {"power": 101}, "spare": {"power": 200}})
    assert [problem.path for problem in all_problems(ship)] == ["engine.power", "spare.power"]
    assert not list(all_problems(Ship()))


def test_a_type_is_put_in_words_from_its_declaration() -> None:
    words = {setting.path: setting.words for setting in settings(Ship)}
    assert words["engine.power"] == "a whole number like 200 or 10M"
    assert words["engine.fuel"] == "one of coal, oil, or off"
    assert words["notes"] == "a list, each text"
    assert words["trip"].endswith("2h, or off")
