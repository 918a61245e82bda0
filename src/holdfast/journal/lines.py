"""One journal record as one line of text: JSON that any reader takes, and a check-sum that tells a torn line.

A number that JSON does not know (NaN, infinity) is written as null, and the line's `nonfinite` says at which place it
was and what it was; reading puts it back. All other numbers come back with the same bits.
"""

from __future__ import annotations

import json
import math
import zlib
from contextlib import suppress
from typing import Any

Record = dict[str, Any]

OWN_FIELDS = ("seq", "time", "kind", "crc", "nonfinite")  # what a record can not use for itself

_dumps = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode  # made once: a record per step goes through
_CRC = b',"crc":"%08x"}'
_CRC_BYTES = len(_CRC % 0)


def encode(record: Record) -> bytes:
    """The line, with its end. Raises TypeError for what is no plain JSON data."""
    try:
        text = _dumps(record)
    except ValueError:
        lost: dict[str, str] = {}
        text = _dumps(_finite(record, (), lost) | {"nonfinite": lost})
    body = text.encode("ascii")[:-1]
    return body + _CRC % zlib.crc32(body) + b"\n"


def decode(line: bytes) -> Record:
    """The inverse of `encode`. Raises ValueError saying what is wrong with the line."""
    if not line.endswith(b"\n"):
        raise ValueError("it ends in the middle")
    body, check = line[: -_CRC_BYTES - 1], line[-_CRC_BYTES - 1 : -1]
    if check != _CRC % zlib.crc32(body):
        raise ValueError("it differs from what was written")
    try:
        record = json.loads(body + b"}")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not (isinstance(record, dict) and type(record.get("seq")) is int and isinstance(record.get("kind"), str)):
        raise ValueError("it is no record")
    if isinstance(lost := record.pop("nonfinite", None), dict):
        for place, name in lost.items():
            _put_back(record, place.split("/"), name)
    return record


def _finite(value: Any, place: tuple[str, ...], lost: dict[str, str]) -> Any:
    """`value` with None for each NaN and infinity; `lost` learns what was at which place."""
    if isinstance(value, float) and not math.isfinite(value):
        lost["/".join(place)] = repr(value)
        return None
    if isinstance(value, dict):
        return {key: _finite(item, (*place, str(key)), lost) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, (*place, str(index)), lost) for index, item in enumerate(value)]
    return value


def _put_back(record: Record, place: list[str], name: Any) -> None:
    here: Any = record
    with suppress(KeyError, IndexError, TypeError, ValueError):  # a place that is not there stays as it is
        for part in place[:-1]:
            here = here[int(part)] if isinstance(here, list) else here[part]
        key: Any = int(place[-1]) if isinstance(here, list) else place[-1]
        if here[key] is None:
            here[key] = float(name)
