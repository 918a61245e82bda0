"""Hand-made attacks on the files that hold tensors. The manifest vouches for every byte of them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from holdfast.vault.manifest import LARGEST_BYTES

from .foreign import NEWEST, Json, edit, parts_of, retensor, rewrite, vouch

Attack = Callable[[Path], object]
MODEL = "model.safetensors"


def filled(start: bytes, piece: bytes, end: bytes) -> bytes:
    """As large as a manifest may be."""
    return start + piece * ((LARGEST_BYTES - len(start) - len(end)) // len(piece)) + end


def entry(part: str = "model", **facts: Any) -> Attack:
    """Change the facts of the first tensor in a header."""
    return lambda run: edit(run, part, lambda header: next(iter(header.values())).update(facts))


def shifted(bytes_: int) -> Attack:
    """Move every tensor but the first towards the start (overlap) or the end (gap)."""

    def move(header: Json) -> None:
        for value in list(header.values())[1:]:
            value["data_offsets"] = [offset - bytes_ for offset in value["data_offsets"]]

    return lambda run: edit(run, "model", move)


def same_place(header: Json) -> None:
    first = next(iter(header.values()))
    for value in header.values():
        value["data_offsets"] = first["data_offsets"]
        value["shape"] = first["shape"]


def long_header(length: int) -> Attack:
    def attack(run: Path) -> None:
        raw = (run / NEWEST / MODEL).read_bytes()
        vouch(run, MODEL, struct.pack("<Q", length) + raw[8:])

    return attack


def misaligned(run: Path) -> None:
    header, data = parts_of(run, "model")
    text = json.dumps(header).encode()
    rewrite(run, "model", text + b" " * (-len(text) % 8 + 1), data, pad=1)


def header_text(old: bytes, new: bytes) -> Attack:
    def attack(run: Path) -> None:
        header, data = parts_of(run, "model")
        text = json.dumps(header).encode()
        assert old in text
        rewrite(run, "model", text.replace(old, new, 1), data)

    return attack


HEADERS: dict[str, Attack] = {
    "a header of 2^63 bytes": long_header(2**63),
    "a header of 100 megabytes": long_header(100_000_000),
    "a header a little too long": long_header(2**20),
    "a header that is empty": long_header(0),
    "a header of lists": lambda run: rewrite(run, "model", filled(b"[", b"[],", b"0]"), b""),
    "a header in depth": lambda run: rewrite(run, "model", b'{"a":' * 300_000, b""),
    "a header of 60,000 tensors": lambda run: rewrite(
        run, "model", {f"{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(60_000)}, b""
    ),
    "tensors that overlap": shifted(4),
    "tensors with a gap": shifted(-4),
    "tensors in the same place": lambda run: edit(run, "model", same_place),
    "tensors beyond the file": entry(data_offsets=[2**40, 2**40 + 64]),
    "tensors before the file": entry(data_offsets=[-64, 0]),
    "tensors that end before they begin": entry(data_offsets=[64, 0]),
    "a shape whose product wraps round": entry(shape=[2**32, 2**32]),
    "an empty shape beyond all memory": entry(shape=[0, 2**62, 2**62], data_offsets=[0, 0]),
    "a shape of a petabyte": entry(shape=[2**50]),
    "a negative shape": entry(shape=[-1, -16]),
    "a shape of 1,000 dimensions": entry(shape=[1] * 1000),
    "an unknown kind of number": entry(dtype="F8_E5M2"),
    "python objects for numbers": entry(dtype="O"),
    "a list for a kind of number": entry(dtype=["F32"]),
    "an extra fact about a tensor": entry(__class__="os.system"),
    "data that is not aligned": misaligned,
    "metadata": lambda run: edit(run, "model", lambda header: {"__metadata__": {"format": "pt"}} | header),
    "a duplicate tensor": header_text(b'"dtype": "F32"', b'"dtype": "F32", "dtype": "F64"'),
    "NaN in a header": header_text(b'"data_offsets": [0', b'"data_offsets": [NaN'),
    "a name with control codes": lambda run: edit(
        run, "model", lambda header: {f"\x1b[2J{name}": value for name, value in header.items()}
    ),
    "a name of a megabyte": lambda run: edit(
        run, "model", lambda header: {f"{'m' * 2**20}{name}": value for name, value in header.items()}
    ),
    "a header that does not parse": header_text(b'"F32"', b'"\xff\xfe"'),
    "data cut short": lambda run: rewrite(run, "model", parts_of(run, "model")[0], b""),
    "data with more behind it": lambda run: rewrite(
        run, "model", parts_of(run, "model")[0], parts_of(run, "model")[1] + b"more"
    ),
}


def renamed(tensors: dict[str, torch.Tensor]) -> None:
    tensors["other"] = tensors.pop(min(tensors))


def reshaped(tensors: dict[str, torch.Tensor]) -> None:
    name = min(tensors)
    tensors[name] = tensors[name].reshape(-1)


def whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
    tensors.update({name: tensor.long() for name, tensor in tensors.items()})


TENSORS: dict[str, Attack] = {f"header: {name}": attack for name, attack in HEADERS.items()} | {
    f"the {part} {what}": partial(retensor, part=part, how=how)
    for part in ("model", "optimizer")
    for what, how in {
        "has a tensor under another name": renamed,
        "has a tensor of another shape": reshaped,
        "lacks a tensor": lambda tensors: tensors.pop(min(tensors)),
        "has a tensor too many": lambda tensors: tensors.update(extra=torch.zeros(3)),
        "is in whole numbers": whole_numbers,
        "is empty": dict.clear,
    }.items()
}
