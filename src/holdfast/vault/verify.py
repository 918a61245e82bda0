"""Is a checkpoint what was written? Every byte is read and compared; nothing is taken on trust."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import xxhash
from torch import Tensor

from holdfast.base.files import CHUNK_BYTES, fingerprint
from holdfast.vault.checkpoint import Checkpoint
from holdfast.vault.layout import SUFFIX, raw, read_tensors
from holdfast.vault.manifest import Damaged, FileRecord, open_plain

PARTS = ("model", "optimizer")


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
    return broken_file(checkpoint, sorted(manifest.files)) if manifest.files else "its manifest names no files"


def broken_file(checkpoint: Checkpoint, names: Sequence[str]) -> str | None:
    """The first of the named files that differs from its record, and how, or None."""
    for name in names:
        record = checkpoint.manifest.files.get(name)
        why = "is not in its manifest" if record is None else _differs(checkpoint.path / name, record)
        if why is not None:
            return f"{name} {why}"
    return None


def _differs(path: Path, record: FileRecord) -> str | None:
    try:
        with open(open_plain(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != record.bytes:
                return f"is {size:,} bytes long instead of {record.bytes:,}"
            for number, wanted in enumerate(record.chunks):
                if xxhash.xxh3_128_hexdigest(file.read(CHUNK_BYTES)) != wanted:
                    return f"differs from what was written, in the 4 MiB from byte {number * CHUNK_BYTES:,}"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"can not be read ({error.strerror or error})"
    return None


def digests(checkpoint: Checkpoint) -> dict[str, str]:
    """For the model and the optimizer a hash over names, shapes, number formats and bytes: equal iff the state is.

    The optimizer's includes its numbers that are not tensors. It does not depend on how a file is laid out.
    Raises Damaged when the files are not what was written.
    """
    if (why := verify(checkpoint)) is not None:
        raise Damaged(checkpoint.path, why)
    found = {part: digest(read_tensors(checkpoint.path / f"{part}{SUFFIX}")) for part in PARTS}
    if checkpoint.manifest.optimizer:
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
