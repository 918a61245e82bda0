"""The bytes of the safetensors layout: what the library reads is what was given, and equal states give equal bytes."""

from __future__ import annotations

import io
import json
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from holdfast.base.faults import Fault
from holdfast.vault.layout import (
    DTYPES,
    LONGEST_NAME,
    MOST_DIMENSIONS,
    MOST_TENSORS,
    check_layout,
    not_finite,
    plan,
    unpack,
)

shapes = st.lists(st.integers(0, 4), max_size=3)
tensors = st.dictionaries(
    st.text(min_size=1, max_size=6).filter(str.isprintable),
    st.tuples(shapes, st.sampled_from(sorted(DTYPES, key=str))).map(lambda drawn: torch.ones(drawn[0]).to(drawn[1])),
    max_size=5,
)


@given(tensors)
def test_the_library_reads_what_was_planned(given_tensors: dict[str, torch.Tensor]) -> None:
    planned = plan(given_tensors)
    content = b"".join(bytes(piece) for piece in planned.pieces())
    assert len(content) == planned.bytes
    found = load(content)
    assert found.keys() == given_tensors.keys()
    for name, tensor in given_tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@given(tensors)
def test_what_was_planned_is_unpacked_bit_for_bit(given_tensors: dict[str, torch.Tensor]) -> None:
    found = unpack(content_of(given_tensors))
    assert found.keys() == given_tensors.keys()
    for name, tensor in given_tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_what_the_library_writes_is_unpacked_too() -> None:
    given_tensors = {"a": torch.randn(3, 5), "b": torch.arange(4), "c": torch.ones(2, 2).bfloat16()}
    found = unpack(torch.frombuffer(bytearray(save(given_tensors)), dtype=torch.uint8))
    assert all(torch.equal(found[name], tensor) for name, tensor in given_tensors.items())


def content_of(given_tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.frombuffer(bytearray(b"".join(map(bytes, plan(given_tensors).pieces()))), dtype=torch.uint8)


def file_of(header: object, data_bytes: int = 16) -> torch.Tensor:
    """A file with any header at all before its data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return torch.frombuffer(bytearray(struct.pack("<Q", len(text)) + text + bytes(data_bytes)), dtype=torch.uint8)


def entry(dtype: object = "F32", shape: object = (4,), offsets: object = (0, 16)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_a_sound_header_is_sound() -> None:
    assert unpack(file_of({"a": entry()}))["a"].tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"a": entry(shape=[2]), "b": entry(shape=[4])}, "offsets"),
        ({"a": entry(), "b": entry()}, "begin"),
        ({"a": entry(shape=[3], offsets=[0, 12]), "b": entry(shape=[3], offsets=[4, 16])}, "begin"),
        ({"a": entry(shape=[1], offsets=[0, 4]), "b": entry(shape=[1], offsets=[12, 16])}, "begin"),
        ({"a": entry(shape=[3], offsets=[4, 16])}, "begin"),
        ({"a": entry(shape=[3], offsets=[0, 12])}, "take 12 bytes and it holds 16"),
        ({"a": entry(shape=[8], offsets=[0, 32])}, "take 32 bytes and it holds 16"),
        ({}, "take 0 bytes and it holds 16"),
        ({"a": entry(offsets=[16, 0])}, "offsets"),
        ({"a": entry(offsets=[-16, 0])}, "offsets"),
        ({"a": entry(offsets=[0, 16, 16])}, "offsets"),
        ({"a": entry(offsets=[0.0, 16.0])}, "offsets"),
        ({"a": entry(offsets=[False, 16])}, "offsets"),
        ({"a": entry(offsets="0-16")}, "offsets"),
        ({"a": entry(shape=[-4])}, "shape"),
        ({"a": entry(shape=[-2, -2])}, "shape"),
        ({"a": entry(shape=[2**32, 2**32])}, "shape"),
        ({"a": entry(shape=[0, 2**62, 2**62], offsets=[0, 0]), "b": entry()}, "shape"),
        ({"a": entry(shape=[1] * 60)}, "shape"),
        ({"a": entry(shape=4)}, "shape"),
        ({"a": entry(shape=["4"])}, "shape"),
        ({"a": entry(dtype="F8_E4M3")}, "kind of number"),
        ({"a": entry(dtype="O")}, "kind of number"),
        ({"a": entry(dtype=["F32"])}, "kind of number"),
        ({"a": entry() | {"module": "os"}}, "described"),
        ({"a": {"dtype": "F32", "shape": [4]}}, "described"),
        ({"a": None}, "described"),
        ({"__metadata__": {"format": "pt"}, "a": entry()}, "name"),
        ({"\x1b[2J": entry()}, "would not write"),
        ({"a" * (LONGEST_NAME + 1): entry()}, "name"),
        ({"b": entry("U8", [1], [0, 1]), "a": entry("F32", [1], [1, 5]), "c": entry("U8", [11], [5, 16])}, "aligned"),
        ({str(number): entry(shape=[0], offsets=[0, 0]) for number in range(MOST_TENSORS + 1)}, "list of tensors"),
        ([entry()], "list of tensors"),
        (b"null", "list of tensors"),
        (b"", "valid JSON"),
        (b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "deep"),
        (b'{"a": ' + b"[" * 50_000, "too much"),
        (json.dumps({"a": entry()}).encode().replace(b"[4]", b"[NaN]"), "NaN"),
        (json.dumps({"a": entry()}).encode().replace(b'"shape"', b'"dtype"'), "duplicate key"),
        (json.dumps({"a": entry()}).encode().replace(b"[4]", b"[4" + b"0" * 400 + b"]"), "would not write"),
        (b'{"a": "\xff"}', "valid JSON"),
    ],
)
def test_a_header_that_does_not_describe_its_data_is_refused(header: object, why: str) -> None:
    content = file_of(header)
    with pytest.raises(ValueError, match=why) as caught:
        unpack(content)
    assert str(caught.value).isprintable()
    with pytest.raises(ValueError, match=why):
        check_layout(io.BytesIO(content.numpy().tobytes()), len(content))


@pytest.mark.parametrize("length", [9, 2**20, 2**40, 2**63, 2**64 - 1])
def test_a_header_longer_than_its_file_is_refused_before_it_is_read(length: int) -> None:
    content = struct.pack("<Q", length) + b"{}      "
    with pytest.raises(ValueError, match="longer"):
        unpack(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    with pytest.raises(ValueError, match="longer"):
        check_layout(io.BytesIO(content), len(content))


@pytest.mark.parametrize("size", range(8))
def test_a_file_too_short_for_its_own_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="longer"):
        unpack(torch.zeros(size, dtype=torch.uint8))
    with pytest.raises(ValueError, match="longer"):
        check_layout(io.BytesIO(bytes(size)), size)


def test_data_that_does_not_begin_at_a_multiple_of_eight_is_refused() -> None:
    with pytest.raises(ValueError, match="aligned"):
        unpack(torch.frombuffer(bytearray(struct.pack("<Q", 2) + b"{}"), dtype=torch.uint8))


def test_a_truth_value_is_one_of_two() -> None:
    content = content_of({"flags": torch.tensor([True, False])})
    assert unpack(content)["flags"].tolist() == [True, False]
    content[-1] = 2
    with pytest.raises(ValueError, match="neither true nor false"):
        unpack(content)


@pytest.mark.parametrize("name", ["__metadata__", "a\nb", "\x1b[2J", "a" * (LONGEST_NAME + 1)])
def test_a_name_that_can_not_be_read_back_is_not_written(name: str) -> None:
    with pytest.raises(Fault, match="under the name"):
        plan({name: torch.ones(1)})


def test_more_tensors_than_are_read_back_are_not_written() -> None:
    one = torch.ones(0)
    with pytest.raises(Fault, match="in one file"):
        plan({str(number): one for number in range(MOST_TENSORS + 1)})
    most = {f"{number:0{LONGEST_NAME}}": one.reshape((0,) * MOST_DIMENSIONS) for number in range(MOST_TENSORS)}
    assert len(unpack(content_of(most))) == MOST_TENSORS


def test_every_tensor_is_aligned_and_the_order_given_does_not_matter() -> None:
    one = {"a": torch.ones(3, dtype=torch.uint8), "b": torch.ones(1), "c": torch.ones(2, dtype=torch.float64)}
    content = b"".join(map(bytes, plan(one).pieces()))
    assert content == b"".join(map(bytes, plan(dict(reversed(one.items()))).pieces()))
    (length,) = struct.unpack("<Q", content[:8])
    assert length % 8 == 0
    for name, entry in json.loads(content[8 : 8 + length]).items():
        assert entry["data_offsets"][0] % one[name].element_size() == 0


def test_numbers_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(Fault, match="complex64"):
        plan({"phase": torch.ones(2, dtype=torch.complex64)})


def test_not_finite_names_the_tensor() -> None:
    sound = {"a": torch.ones(3), "ids": torch.arange(3), "none": torch.empty(0)}
    assert not_finite(sound) is None
    assert not_finite(sound | {"b": torch.tensor([1.0, float("nan")]).bfloat16()}) == "b"
