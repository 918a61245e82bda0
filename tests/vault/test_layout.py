"""The bytes of the safetensors layout: what the library reads is what was given, and equal states give equal bytes."""

from __future__ import annotations

import json
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from holdfast.base.faults import Fault
from holdfast.vault.layout import DTYPES, not_finite, plan

shapes = st.lists(st.integers(0, 4), max_size=3)
tensors = st.dictionaries(
    st.text(min_size=1, max_size=6).filter(lambda name: name != "__metadata__"),
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
