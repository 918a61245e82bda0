"""Named tensors as one stream of bytes, in the safetensors layout: length, JSON header, raw little-endian data.

Format: https://github.com/huggingface/safetensors (README, "Format"). Written here rather than by the library so that
bytes go from the tensors to the disk in one pass, hashed on the way, without a second copy of the state in memory; and
read here so that a file of unknown origin is held to what we write before a tensor is made of it.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from holdfast.base.faults import Fault
from holdfast.vault.manifest import LARGEST_BYTES, LARGEST_NUMBER, strict_json

SUFFIX = ".safetensors"
MOST_TENSORS = 10_000
MOST_DIMENSIONS = 8
LONGEST_NAME = 200  # characters

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_KNOWN = {word: dtype for dtype, word in DTYPES.items()}
_PIECE = 2**18  # numbers looked at at once: they stay in the processor's cache
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Plan:
    """A file that is ready to be written: its exact length in bytes, its header, and the tensors in file order."""

    header: bytes
    tensors: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Length of the file."""
        return len(self.header) + sum(tensor.nbytes for tensor in self.tensors)

    def pieces(self) -> Iterator[memoryview]:
        """The file's bytes, in order, one tensor at a time; nothing is copied that is contiguous on the CPU."""
        yield memoryview(self.header)
        for tensor in self.tensors:
            if tensor.numel():
                yield raw(tensor)


def plan(tensors: Mapping[str, Tensor]) -> Plan:
    """Lay out tensors: wide elements first so that all are aligned, then by name so that equal states give equal bytes.

    Raises Fault for a kind of number the layout does not know, and for names or a count that `unpack` would refuse.
    """
    if len(tensors) > MOST_TENSORS:
        raise Fault(
            f"{len(tensors):,} tensors can not be saved in one file", f"put them together: {MOST_TENSORS:,} can"
        )
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise Fault(f"{name} holds {tensor.dtype}, which can not be saved", f"use one of {', '.join(_words())}")
        if not _is_name(name):
            raise Fault(f"a tensor can not be saved under the name {name!r}", "use up to 200 printable characters")
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, offset = {}, 0
    for name in order:
        tensor = tensors[name]
        end = offset + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return Plan(_LENGTH.pack(len(text)) + text, tuple(tensors[name].detach() for name in order))


def raw(tensor: Tensor) -> memoryview:
    """A tensor's elements as bytes in row-major order."""
    flat = tensor.detach().contiguous().cpu().reshape(-1)
    return flat.view(torch.uint8).numpy().data


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies: its number format, its shape, and its bytes from the end of the header on."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def unpack(content: Tensor) -> dict[str, Tensor]:
    """The tensors of a file's content, (bytes,) uint8, whose memory they share. Raises ValueError for what is not in
    the layout."""
    view = content.numpy().data
    begin = _LENGTH.size + _header_length(bytes(view[: _LENGTH.size]), len(view))
    found = {}
    for name, entry in entries(bytes(view[_LENGTH.size : begin]), len(view) - begin).items():
        data = content[begin + entry.start : begin + entry.end]
        if entry.dtype is torch.bool and data.numel() and int(data.max()) > 1:
            raise ValueError(f"{name} is neither true nor false")
        found[name] = data.view(entry.dtype).reshape(entry.shape)
    return found


def check_layout(file: IO[bytes], size: int) -> None:
    """Read only the header of a file of `size` bytes. Raises ValueError for what is not in the layout, and OSError."""
    file.seek(0)
    length = _header_length(file.read(_LENGTH.size), size)
    entries(file.read(length), size - _LENGTH.size - length)


def entries(header: bytes, data_bytes: int) -> dict[str, Entry]:
    """What a header says of the `data_bytes` after it. Raises ValueError unless its tensors are of known kinds, under
    names that can be shown, and fill the data without a gap or an overlap."""
    try:
        plain = strict_json(header)
    except ValueError as error:
        raise ValueError(f"its header {error}") from error
    if not (isinstance(plain, dict) and len(plain) <= MOST_TENSORS):
        raise ValueError("its header is not a list of tensors")
    found = {name: _entry(name, value) for name, value in plain.items()}
    filled = 0
    for name, entry in sorted(found.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != filled:
            raise ValueError(f"{name} does not begin where the tensor before it ends")
        filled = entry.end
    if filled != data_bytes:
        raise ValueError(f"its tensors take {filled:,} bytes and it holds {data_bytes:,}")
    return found


def _header_length(start: bytes, size: int) -> int:
    """The length of the header of a file of `size` bytes, of which the first 8 are given."""
    length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else size
    if length > min(size - _LENGTH.size, LARGEST_BYTES):
        raise ValueError("its header is longer than it can be")
    if length % 8:
        raise ValueError("its data is not aligned")
    return int(length)


def _entry(name: str, value: Any) -> Entry:
    if not _is_name(name):
        raise ValueError("a tensor has a name that we would not write")
    if not (isinstance(value, dict) and value.keys() == {"dtype", "shape", "data_offsets"}):
        raise ValueError(f"{name} is not described as a tensor")
    word, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not (isinstance(word, str) and word in _KNOWN):
        raise ValueError(f"{name} holds an unknown kind of number")
    if not (_are_counts(shape) and len(shape) <= MOST_DIMENSIONS):
        raise ValueError(f"{name} has no proper shape")
    if math.prod(max(1, length) for length in shape) > LARGEST_NUMBER:
        raise ValueError(f"{name} has a shape beyond all memory")
    width = _KNOWN[word].itemsize
    if not (_are_counts(offsets) and len(offsets) == 2 and offsets[1] - offsets[0] == math.prod(shape) * width):
        raise ValueError(f"{name} has offsets that do not fit its shape")
    if offsets[0] % width:
        raise ValueError(f"{name} is not aligned")
    return Entry(_KNOWN[word], tuple(shape), offsets[0], offsets[1])


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _is_name(name: str) -> bool:
    return name != "__metadata__" and len(name) <= LONGEST_NAME and name.isprintable()


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of a tensor that holds NaN or infinity, or None. Read in pieces by one thread, beside the training."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel() and not _finite(tensor.detach().contiguous().cpu().view(-1)):
            return name
    return None


def _finite(flat: Tensor) -> bool:
    """NaN survives min and max, and infinity is one of them; so nothing of the size of the tensor is made."""
    for start in range(0, len(flat), _PIECE):
        piece = flat[start : start + _PIECE]
        if piece.dtype is torch.bfloat16:  # which NumPy does not know: the upper half of a float32
            numbers = (piece.view(torch.int16).numpy().astype(np.uint32) << 16).view(np.float32)
        else:
            numbers = piece.numpy()
        if not (np.isfinite(numbers.min()) and np.isfinite(numbers.max())):
            return False
    return True


def _words() -> list[str]:
    return [str(dtype).removeprefix("torch.") for dtype in DTYPES]
