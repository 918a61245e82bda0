"""Strict, typed recipe sections. Each room owns its section; `stages/recipe.py` joins them once.

A section is declared with its types, defaults and one-line descriptions; everything else (the reference page, the
JSON schema, the did-you-mean of an unknown key, the identity of a stage) is read off that declaration.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.fields import FieldInfo

_COUNT = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?)\s*([kKmMbBgG]?)")
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000, "g": 1_000_000_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|hours?|d|days?)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


class Problem(NamedTuple):
    """What is wrong with a section whose values are each well-typed: the setting, the cause, the remedy."""

    path: str
    what: str
    remedy: str


class Section(BaseModel):
    """A part of a recipe: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_off(cls, data: Any) -> Any:
        """`off` switches an optional setting off, and a group with nothing under it keeps its defaults."""
        if not isinstance(data, dict):
            return data
        return {key: _off(cls.model_fields.get(key), value) for key, value in data.items()}

    def problems(self) -> Iterator[Problem]:
        """What the types can not say: settings of this section that contradict each other. Paths are relative to it."""
        yield from ()


def free(default: Any, **kwargs: Any) -> Any:
    """A setting that changes neither the data nor the mathematics (how often to save, where to log), so changing it
    between two starts never makes a finished stage run again."""
    return Field(default, json_schema_extra={"free": True}, **kwargs)


def group(section: type[Section]) -> Any:
    """A field that is a section of its own, with that section's defaults where nothing is said."""
    return Field(default_factory=section)


def parse_count(value: Any) -> Any:
    """`10M`, `1.5B`, `8k` and `10_000` are numbers; everything else is left for the type to judge."""
    if isinstance(value, str) and (match := _COUNT.fullmatch(value.strip())):
        number = Fraction(match[1].replace("_", "")) * _SCALE[match[2].lower()]
        return number.numerator if number.denominator == 1 else value
    return value


def parse_duration(value: Any) -> Any:
    """`90s`, `10min`, `2h` as seconds; a bare number is refused because its unit would be a guess."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2][0]]
    if isinstance(value, bool | int | float | str):
        raise ValueError("write a duration with its unit, such as 10min, 2h or 90s")
    return value


def format_duration(seconds: float) -> str:
    """Seconds as a text that `parse_duration` reads back to the same number."""
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{Decimal(repr(seconds)):f}s"


class _Words(NamedTuple):
    """How a type is called in error messages and on the reference page."""

    text: str


Count = Annotated[
    int,
    BeforeValidator(parse_count, json_schema_input_type=int | str),
    Field(ge=0),
    _Words("a whole number like 200 or 10M"),
]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    Field(gt=0),
    PlainSerializer(format_duration, when_used="json"),
    _Words("a duration like 90s, 10min or 2h"),
]


class Setting(NamedTuple):
    """One setting of a section or of a section inside it."""

    path: str  # dotted, from the outermost section
    field: FieldInfo

    @property
    def free(self) -> bool:
        """True when a change of it never makes a finished stage run again."""
        return is_free(self.field)

    @property
    def words(self) -> str:
        """What values it takes."""
        return _type_words(self.field.annotation, self.field.metadata)


def settings(section: type[Section], prefix: str = "") -> Iterator[Setting]:
    """Every setting of a section, depth first, in the order of declaration."""
    for name, field in section.model_fields.items():
        inner = subsection(field)
        if inner is None:
            yield Setting(prefix + name, field)
        else:
            yield from settings(inner, f"{prefix}{name}.")


def subsection(field: FieldInfo) -> type[Section] | None:
    """The section class of a field that is a group of settings, None for a plain setting."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def is_free(field: FieldInfo) -> bool:
    """True for a field declared with `free`."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("free") is True


def identity(section: Section) -> dict[str, Any]:
    """The settings that change data or mathematics, as plain JSON data: what a stage's fingerprint is made of."""
    plain: dict[str, Any] = section.model_dump(mode="json")
    for name, field in type(section).model_fields.items():
        if is_free(field):
            del plain[name]
        elif isinstance(value := getattr(section, name), Section):
            plain[name] = identity(value)
    return plain


def flat(section: Section) -> dict[str, Any]:
    """Every setting's value as plain JSON data under its dotted path, in the order of declaration."""
    plain: dict[str, Any] = section.model_dump(mode="json")
    found = {}
    for setting in settings(type(section)):
        value: Any = plain
        for name in setting.path.split("."):
            value = value[name]
        found[setting.path] = value
    return found


def all_problems(section: Section, prefix: str = "") -> Iterator[Problem]:
    """The contradictions a section and the sections inside it find, with full dotted paths."""
    for name in type(section).model_fields:
        if isinstance(value := getattr(section, name), Section):
            yield from all_problems(value, f"{prefix}{name}.")
    for path, what, remedy in section.problems():
        yield Problem(prefix + path, what, remedy)


def _off(field: FieldInfo | None, value: Any) -> Any:
    if field is None:
        return value
    if value is None and subsection(field) is not None:
        return {}
    kinds = get_args(field.annotation)
    return None if value == "off" and type(None) in kinds and bool not in kinds else value


def _type_words(kind: Any, metadata: list[Any]) -> str:
    if named := [item.text for item in metadata if isinstance(item, _Words)]:
        return named[0]
    arguments = get_args(kind)
    origin = get_origin(kind)
    if origin is Annotated:
        return _type_words(arguments[0], list(arguments[1:]))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return ", or ".join("off" if part is type(None) else _type_words(part, []) for part in arguments)
    if origin is list:
        return f"a list, each {_type_words(arguments[0], [])}"
    if origin is tuple:
        return f"a list of {len(arguments)}, each {_type_words(arguments[0], [])}"
    if isinstance(kind, type) and issubclass(kind, Section):
        return f"a group of {', '.join(kind.model_fields)}"
    return _NAMES.get(kind, getattr(kind, "__name__", str(kind)))


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
