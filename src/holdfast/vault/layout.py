"""Named tensors as one stream of bytes, in the safetensors layout: length, JSON header, raw little-endian data.

Format: https://github.com/huggingface/safetensors (README, "Format"). Written here rather than by the library so that
bytes go from the tensors to the disk in one pass, hashed on the way, without a second copy of the state in memory.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from holdfast.base.faults import Fault
from holdfast.vault.manifest import Damaged

SUFFIX = ".safetensors"

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

    Raises Fault for a kind of number the layout does not know.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES:
            raise Fault(f"{name} holds {tensor.dtype}, which can not be saved", f"use one of {', '.join(_known())}")
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header, offset = {}, 0
    for name in order:
        tensor = tensors[name]
        end = offset + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return Plan(struct.pack("<Q", len(text)) + text, tuple(tensors[name].detach() for name in order))


def raw(tensor: Tensor) -> memoryview:
    """A tensor's elements as bytes in row-major order."""
    flat = tensor.detach().contiguous().cpu().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, mapped from it: changing one in memory leaves the file alone.

    Raises Damaged when the file is not in the layout.
    """
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise Damaged(path.parent, f"{path.name} can not be read ({error})") from error


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of a tensor that holds NaN or infinity, or None. One pass, no copy: NaN survives min and max."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel():
            low, high = torch.aminmax(tensor.detach())
            if not bool(torch.isfinite(low) & torch.isfinite(high)):
                return name
    return None


def _known() -> list[str]:
    return [str(dtype).removeprefix("torch.") for dtype in DTYPES]
