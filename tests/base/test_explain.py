from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from holdfast.base.explain import RecipeProblems, build
from holdfast.base.layers import from_yaml
from holdfast.base.settings import Count, Problem, Section, group


class Engine(Section):
    power: Count = 10
    fuel: Literal["coal", "oil"] = "coal"
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    gears: tuple[int, int] = (1, 2)

    def problems(self) -> Iterator[Problem]:
        if self.fuel == "oil" and self.power > 50:
            yield Problem("power", "too much for oil", "burn coal")


class Anchor(Section):
    weight: Count = 1

    @model_validator(mode="after")
    def _heavy(self) -> Anchor:
        if self.weight == 0:
            raise ValueError("an anchor of 0 kg floats")
        return self


class Ship(Section):
    name: str = "Heron"
    path: str | list[str] | None = None
    tags: list[str] = Field(default=[])
    engine: Engine = group(Engine)
    anchor: Anchor = group(Anchor)


def refused(text: str) -> dict[str, str]:
    with pytest.raises(RecipeProblems) as caught:
        build(Ship, from_yaml(text, "s.yaml", "file s.yaml"), {"n_cylinders": "engine.power"})
    return {fault.cause: fault.remedy for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("text", "cause", "remedy"),
    [
        ("engin:\n  power: 3", "there is no setting engin (file s.yaml line 2)", "did you mean engine?"),
        ("engine: {powr: 3}", "there is no setting engine.powr (file s.yaml line 1)", "did you mean engine.power?"),
        ("power: 3", "there is no setting power (file s.yaml line 1)", "did you mean engine.power?"),
        ("engine: {n_cylinders: 3}", "there is no setting engine.n_cylinders", "here it is called engine.power"),
        ("engine: {xyz: 3}", "there is no setting engine.xyz", "engine has power, fuel, share, gears"),
        ("engine: fast", "engine (file s.yaml line 1) is a group of settings", "such as engine.power"),
        ("engine: {power: much}", "engine.power (file s.yaml line 1) can not be 'much'", "a whole number like 200"),
        ("engine: {power: -3}", "engine.power (file s.yaml line 1) must be at least 0, not '-3'", "whole number"),
        ("engine: {share: 1.5}", "engine.share (file s.yaml line 1) must be at most 1", "a number"),
        ("engine: {share: nan}", "engine.share (file s.yaml line 1) can not be 'nan'", "a number"),
        ("engine: {fuel: oill}", "engine.fuel (file s.yaml line 1) can not be 'oill'", "did you mean oil?"),
        ("engine: {power: {a: 1}}", "engine.power (file s.yaml line 1) can not be", "a whole number"),
        ("engine: {gears: [3]}", "engine.gears (file s.yaml line 1) can not be ['3']", "a list of 2"),
        ("tags: [a, [b]]", "tags[1] (file s.yaml line 1) can not be ['b']", "a list, each text"),
        ("name: null", "name (file s.yaml line 1) can not be off", "give it text"),
        ("path: {a: b}", "path (file s.yaml line 1) can not be", "text, or a list, each text, or off"),
        ("anchor: {weight: 0}", "anchor (file s.yaml line 1): an anchor of 0 kg floats", "change"),
        ("engine: {fuel: oil, power: 60}", "engine.power (file s.yaml line 1): too much for oil", "burn coal"),
    ],
)
def test_a_refusal_names_place_cause_and_remedy(text: str, cause: str, remedy: str) -> None:
    found = refused(text)
    assert len(found) == 1, found
    told = next(iter(found))
    assert told.startswith(cause), told
    assert remedy in found[told], found[told]
    assert "\n" not in told + found[told]


def test_all_problems_are_told_at_once() -> None:
    assert len(refused("a: 1\nname: [x]\nengine: {power: x, fule: oil}\ntags: 5")) == 5


def test_a_long_value_is_not_repeated_in_full() -> None:
    assert all(len(cause) < 150 for cause in refused(f"engine: {{power: {'x' * 5000}}}"))


def test_a_good_recipe_is_built() -> None:
    ship = build(Ship, from_yaml("engine: {power: 2k, gears: [3, 4]}\npath: [a, b]", "s.yaml", "file s.yaml"), {})
    assert (ship.engine.power, ship.engine.gears, ship.path) == (2000, (3, 4), ["a", "b"])
