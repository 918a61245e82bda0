"""Is a checkpoint what was written? Every byte is read and compared; nothing is taken on trust."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import xxhash
from torch import Tensor

from holdfast.base.faults import Fault
from holdfast.disk.files import CHUNK_BYTES, fingerprint, open_plain
from holdfast.vault.checkpoint import Checkpoint
from holdfast.vault.layout import SUFFIX, check_layout, raw, unpack
from holdfast.vault.manifest import Damaged

PARTS = ("model", "optimizer")
WEIGHTS = ("model",)


def parts(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What the checkpoint has tensors of, going by its name."""
    return WEIGHTS if checkpoint.weights_only else PARTS


def verify(checkpoint: Checkpoint) -> str | None:
    """Why the checkpoint can not be used, in a few words, or None when it is sound.

    Raises FromTheFuture when it is in a newer format: that is no damage, and nothing must be done to it.
    """
    try:
        manifest = checkpoint.manifest
    except Damaged as damage:
        return damage.why
    if (manifest.step, manifest.incarnation) != (checkpoint.step, checkpoint.incarnation):
        return "its manifest belongs to another checkpoint"
    wanted = {f"{part}{SUFFIX}" for part in parts(checkpoint)}
    if missing := wanted - manifest.files.keys():
        return f"its manifest does not name {min(missing)}"
    if checkpoint.weights_only and manifest.files.keys() != wanted:
        return "its manifest names more than the model"
    return broken_file(checkpoint, sorted(manifest.files))


def broken_file(checkpoint: Checkpoint, names: Sequence[str]) -> str | None:
    """The first of the named files that differs from its record, or holds no tensors where it should, and how."""
    for name in names:
        try:
            _read(checkpoint, name, keep=False)
        except ValueError as error:
            return str(error)
    return None


def read_part(checkpoint: Checkpoint, part: str) -> dict[str, Tensor]:
    """The tensors of a part, on the CPU: the very bytes that were compared, whatever becomes of the file afterwards.

    Takes as much memory as the file is long. Raises Damaged, and Fault when there is not so much memory.
    """
    name = f"{part}{SUFFIX}"
    try:
        content = _read(checkpoint, name, keep=True)
        with _in_layout(name):
            return unpack(content)
    except ValueError as error:
        raise Damaged(checkpoint.path, str(error)) from error


def _read(checkpoint: Checkpoint, name: str, *, keep: bool) -> Tensor:
    """Read a file against its record: its content if it is to be kept, else its last chunk. Raises ValueError saying
    how it differs."""
    record = checkpoint.manifest.files.get(name)
    if record is None:
        raise ValueError(f"{name} is not in its manifest")
    try:
        with open(open_plain(checkpoint.path / name), "rb") as file:
            if (size := os.fstat(file.fileno()).st_size) != record.bytes:
                raise ValueError(f"{name} is {size:,} bytes long instead of {record.bytes:,}")
            content = _room(name, size if keep else min(size, CHUNK_BYTES))
            for number, wanted in enumerate(record.chunks):
                start = number * CHUNK_BYTES
                place = content[start : start + CHUNK_BYTES] if keep else content[: size - start]
                piece = place.numpy().data
                if file.readinto(piece) != len(piece) or xxhash.xxh3_128_hexdigest(piece) != wanted:
                    raise ValueError(f"{name} differs from what was written, in the 4 MiB from byte {start:,}")
            if name.endswith(SUFFIX):
                with _in_layout(name):
                    check_layout(file, size)
            return content
    except FileNotFoundError:
        raise ValueError(f"{name} is missing") from None
    except OSError as error:
        raise ValueError(f"{name} can not be read ({error.strerror or error})") from error


def _room(name: str, size: int) -> Tensor:
    try:
        return torch.empty(size, dtype=torch.uint8)
    except RuntimeError as error:
        raise Fault(f"there is no memory for the {size / 1e9:,.1f} GB of {name}", "free some memory") from error


@contextmanager
def _in_layout(name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name} is not in the layout: {error}") from error


def digests(checkpoint: Checkpoint) -> dict[str, str]:
    """For the model and the optimizer a hash over names, shapes, number formats and bytes: equal iff the state is.

    The optimizer's includes its numbers that are not tensors. It does not depend on how a file is laid out. A
    checkpoint of weights only has no optimizer. Raises Damaged when the files are not what was written.
    """
    if (why := verify(checkpoint)) is not None:
        raise Damaged(checkpoint.path, why)
    found = {part: digest(read_part(checkpoint, part)) for part in parts(checkpoint)}
    if "optimizer" in found and checkpoint.manifest.optimizer:
        found["optimizer"] = fingerprint([found["optimizer"], dict(checkpoint.manifest.optimizer)])
    return found


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A hash over names, shapes, number formats and bytes of tensors, wherever they are."""
    state = xxhash.xxh3_128()
    for name in sorted(tensors):
        tensor = tensors[name]
        state.update(f"{name}\x00{tensor.dtype}\x00{tuple(tensor.shape)}\x00".encode())
        if tensor.numel():
            state.update(raw(tensor))
    return state.hexdigest()
