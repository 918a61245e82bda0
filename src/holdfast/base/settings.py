"""Strict, typed recipe sections. Each room owns its section; `stages/recipe.py` joins them once."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_COUNT = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?)\s*([kKmMbBgG]?)")
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000, "g": 1_000_000_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|hours?|d|days?)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Section(BaseModel):
    """A part of a recipe: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def free(default: Any, **kwargs: Any) -> Any:
    """A setting that changes neither the data nor the mathematics (how often to save, where to log), so changing it
    between two starts never makes a finished stage run again."""
    return Field(default, json_schema_extra={"free": True}, **kwargs)


def parse_count(value: Any) -> Any:
    """`10M`, `1.5B`, `8k` and `10_000` are numbers; everything else is left for the type to judge."""
    if isinstance(value, str) and (match := _COUNT.fullmatch(value.strip())):
        number = float(match[1].replace("_", "")) * _SCALE[match[2].lower()]
        return int(number) if number.is_integer() else value
    return value


def parse_duration(value: Any) -> Any:
    """`90s`, `10min`, `2h` as seconds; a bare number is refused because its unit would be a guess."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2][0]]
    if isinstance(value, bool | int | float | str):
        raise ValueError("write a duration with its unit, such as 10min, 2h or 90s")
    return value


Count = Annotated[int, BeforeValidator(parse_count), Field(ge=0)]
Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
