"""One record, one line: what goes in comes out, and a damaged line is seen."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.journal.lines import decode, encode

leaves = st.none() | st.booleans() | st.integers() | st.text() | st.floats()
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
names = st.text(min_size=1).filter(lambda name: name not in ("seq", "time", "kind", "crc", "nonfinite"))


def bits(value: Any) -> Any:
    """Every number as its bits, so that NaN equals itself and 1 is not 1.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    return [bits(item) for item in value] if isinstance(value, list) else (type(value), value)


@given(st.dictionaries(names.filter(lambda name: "/" not in name), leaves, max_size=5))
def test_flat_records_come_back_bit_for_bit(fields: dict[str, Any]) -> None:
    record = {"seq": 3, "kind": "step", "time": 1.5, **fields}
    assert bits(decode(encode(record))) == bits(record)


@given(st.dictionaries(names, values, max_size=4))
def test_every_line_is_strict_json_for_others(fields: dict[str, Any]) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in a line")

    line = encode({"seq": 0, "kind": "x", **fields})
    assert line.count(b"\n") == 1
    assert json.loads(line, parse_constant=refuse).keys() >= fields.keys()
    decode(line)


def test_nan_deep_inside_comes_back_and_the_text_nan_stays_text() -> None:
    record = {"seq": 0, "kind": "x", "parts": [{"loss": math.inf}, -math.inf], "text": "nan", "none": None}
    assert decode(encode(record)) == record
    assert json.loads(encode(record))["parts"] == [{"loss": None}, None]


@given(st.data())
def test_a_damaged_line_is_never_taken_for_a_record(data: st.DataObject) -> None:
    line = bytearray(encode({"seq": 12, "kind": "step", "loss": 2.5, "stage": "pretrain"}))
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="it "):
        decode(bytes(line))
    with pytest.raises(ValueError, match="it "):
        decode(bytes(line[:place]))


@given(st.binary(max_size=60))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        decode(rubbish)


@pytest.mark.parametrize("lost", [[], "x", {"loss/deep": "nan"}, {"9": "nan"}, {"list/9": "nan"}, {"loss": "abc"}])
def test_a_strange_note_of_lost_numbers_changes_nothing(lost: Any) -> None:
    import zlib

    body = json.dumps({"seq": 1, "kind": "x", "loss": None, "list": [1], "nonfinite": lost}).encode()[:-1]
    assert decode(body + b',"crc":"%08x"}\n' % zlib.crc32(body)) == {"seq": 1, "kind": "x", "loss": None, "list": [1]}


def test_what_is_no_plain_data_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        encode({"seq": 0, "kind": "x", "what": object()})
