"""Every byte is compared, by whichever door it comes in, and what was compared is what is used."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from holdfast.base.faults import Fault
from holdfast.disk.files import CHUNK_BYTES, chunk_hashes
from holdfast.vault.checkpoint import Checkpoint, directory_name
from holdfast.vault.layout import plan
from holdfast.vault.manifest import FILE, Damaged, FileRecord, Manifest, encode
from holdfast.vault.verify import digest, digests, read_part, verify

MODEL = {"embed": torch.arange(12.0).reshape(3, 4), "ids": torch.arange(3)}
OPTIMIZER = {"embed.mean": torch.ones(3, 4)}


def committed(folder: Path, contents: dict[str, bytes], weights_only: bool = False, **fields: Any) -> Checkpoint:
    """A checkpoint of any files, under a manifest that vouches for them."""
    path = folder / directory_name(1, 1, weights_only)
    path.mkdir(parents=True)
    files = {}
    for name, content in contents.items():
        (path / name).write_bytes(content)
        files[name] = FileRecord(len(content), tuple(chunk_hashes(path / name)))
    (path / FILE).write_bytes(encode(Manifest(**{"stage": "s", "step": 1, "incarnation": 1, "files": files} | fields)))
    return Checkpoint(path, 1, 1, weights_only)


def packed(tensors: dict[str, Tensor]) -> bytes:
    return b"".join(map(bytes, plan(tensors).pieces()))


def full(folder: Path, **fields: Any) -> Checkpoint:
    contents = {"model.safetensors": packed(MODEL), "optimizer.safetensors": packed(OPTIMIZER)}
    return committed(folder, contents, **fields)


def weights(folder: Path, **fields: Any) -> Checkpoint:
    return committed(folder, {"model.safetensors": packed(MODEL)}, weights_only=True, **fields)


def test_a_sound_one_of_either_kind_verifies_and_is_read(tmp_path: Path) -> None:
    for checkpoint in (full(tmp_path), weights(tmp_path)):
        assert verify(checkpoint) is None
        found = read_part(checkpoint, "model")
        assert all(torch.equal(found[name], tensor) for name, tensor in MODEL.items())
    with pytest.raises(Damaged, match=r"optimizer\.safetensors is not in its manifest"):
        read_part(weights(tmp_path / "more"), "optimizer")


def test_a_checkpoint_names_the_parts_that_its_kind_has(tmp_path: Path) -> None:
    model, optimizer = {"model.safetensors": packed(MODEL)}, {"optimizer.safetensors": packed(OPTIMIZER)}
    for number, (contents, weights_only, why) in enumerate(
        [
            ({}, False, "its manifest does not name model.safetensors"),
            ({}, True, "its manifest does not name model.safetensors"),
            (model, False, "its manifest does not name optimizer.safetensors"),
            (optimizer, False, "its manifest does not name model.safetensors"),
            (optimizer, True, "its manifest does not name model.safetensors"),
            (model | optimizer, True, "its manifest names more than the model"),
            (model | {"extra": b"e"}, True, "its manifest names more than the model"),
            (model | optimizer | {"extra": b"e"}, False, None),
        ]
    ):
        assert verify(committed(tmp_path / str(number), contents, weights_only)) == why


def test_one_without_a_manifest_or_under_another_name_is_damaged(tmp_path: Path) -> None:
    checkpoint = full(tmp_path)
    assert verify(Checkpoint(checkpoint.path, 2, 1)) == "its manifest belongs to another checkpoint"
    assert verify(Checkpoint(checkpoint.path, 1, 2)) == "its manifest belongs to another checkpoint"
    (checkpoint.path / FILE).unlink()
    assert verify(Checkpoint(checkpoint.path, 1, 1)) == "it has no manifest"


def test_a_file_with_the_right_hashes_and_no_tensors_in_it_is_damaged(tmp_path: Path) -> None:
    junk = {"empty": b"", "short": b"\x01", "text": b"not a tensor in sight", "huge": struct.pack("<Q", 2**62) + b"{}"}
    for name, content in junk.items():
        for part in ("model", "optimizer"):
            contents = {"model.safetensors": packed(MODEL), "optimizer.safetensors": packed(OPTIMIZER)}
            checkpoint = committed(tmp_path / name / part, contents | {f"{part}.safetensors": content})
            why = verify(checkpoint)
            assert why is not None
            assert why.startswith(f"{part}.safetensors is not in the layout")
            with pytest.raises(Damaged, match="not in the layout"):
                read_part(checkpoint, part)


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def link(path: Path) -> None:
    os.rename(path, path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (change, "differs from what was written, in the 4 MiB from byte 0"),
        (lambda path: os.truncate(path, 40), "is 40 bytes long instead of"),
        (lambda path: os.truncate(path, 2**40), "is 1,099,511,627,776 bytes long instead of"),
        (Path.unlink, "is missing"),
        (link, "can not be read"),
        (pipe, "can not be read"),
        (folder, "can not be read"),
    ],
)
def test_every_door_sees_a_damaged_file(tmp_path: Path, damage: Callable[[Path], None], why: str) -> None:
    checkpoint = full(tmp_path)
    damage(checkpoint.path / "model.safetensors")
    assert f"model.safetensors {why}" in str(verify(checkpoint))
    for door in (lambda: read_part(checkpoint, "model"), lambda: digests(checkpoint)):
        with pytest.raises(Damaged, match=why):
            door()
    assert read_part(checkpoint, "optimizer").keys() == OPTIMIZER.keys()


def test_damage_beyond_the_first_chunk_is_located(tmp_path: Path) -> None:
    large = packed({"w": torch.arange(3 * CHUNK_BYTES // 8, dtype=torch.float64)})
    contents = {"model.safetensors": large, "optimizer.safetensors": packed(OPTIMIZER)}
    checkpoint = committed(tmp_path, contents)
    assert verify(checkpoint) is None
    with open(checkpoint.path / "model.safetensors", "r+b") as file:
        file.seek(2 * CHUNK_BYTES + 5)
        file.write(b"\xff\xff")
    place = "differs from what was written, in the 4 MiB from byte 8,388,608"
    assert verify(checkpoint) == f"model.safetensors {place}"
    with pytest.raises(Damaged, match=place):
        read_part(checkpoint, "model")


def test_what_was_read_is_out_of_reach_of_the_file(tmp_path: Path) -> None:
    checkpoint = full(tmp_path)
    found = read_part(checkpoint, "model")
    os.truncate(checkpoint.path / "model.safetensors", 0)
    assert all(torch.equal(found[name], tensor) for name, tensor in MODEL.items())
    found["embed"].zero_()
    assert read_part(checkpoint, "optimizer")["embed.mean"].sum() == 12


def test_more_than_memory_holds_is_a_fault_and_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = full(tmp_path)
    there = torch.empty

    def none_left(*size: int, **options: Any) -> Tensor:
        return there(2**62, **options)  # what torch says of a size that no machine has

    monkeypatch.setattr(torch, "empty", none_left)
    with pytest.raises(Fault, match=r"no memory for the .* GB of model\.safetensors") as caught:
        read_part(checkpoint, "model")
    assert not isinstance(caught.value, Damaged)


def test_digests_are_of_the_parts_that_are_there(tmp_path: Path) -> None:
    whole = digests(full(tmp_path, optimizer={"steps": 3}))
    assert whole.keys() == {"model", "optimizer"}
    assert whole["model"] == digest(MODEL)
    assert whole["optimizer"] != digest(OPTIMIZER)
    assert digests(weights(tmp_path)) == {"model": whole["model"]}


def test_the_manifest_is_read_once(tmp_path: Path) -> None:
    """What was checked is what is used, even if the file is exchanged in between."""
    checkpoint = full(tmp_path)
    assert verify(checkpoint) is None
    other = encode(replace(checkpoint.manifest, step=9))
    (checkpoint.path / FILE).write_bytes(other)
    assert checkpoint.manifest.step == 1
