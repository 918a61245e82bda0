"""The vault under use, and what it makes of damage and of strangers."""

from __future__ import annotations

import json
import os
import pickletools
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from holdfast.base.faults import Fault, NoValidCheckpoint
from holdfast.disk import fileops
from holdfast.vault.manifest import Damaged, FromTheFuture
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import digests, verify
from tests.vault.states import FIELDS, TWO, flip, listing, same, state


def test_a_state_comes_back_bit_for_bit(vault: Vault) -> None:
    saved = vault.save(7, state(), FIELDS, ["interval"])
    found = vault.newest_valid()
    assert found is not None
    assert found.path == saved.path
    assert found.path.name == "step-00000007.i01"
    assert same(vault.load(found), state())
    assert (found.manifest.tokens, found.manifest.tags) == (640, ("interval",))


def test_a_state_larger_than_a_chunk_comes_back_and_its_damage_is_located(vault: Vault) -> None:
    large = {"model": {"w": torch.arange(1_500_000, dtype=torch.float64)}, "optimizer": {}}
    saved = vault.save(1, large, FIELDS, [])
    assert torch.equal(vault.load(saved)["model"]["w"], large["model"]["w"])
    assert len(saved.manifest.files["model.safetensors"].chunks) == 3
    flip(saved.path / "model.safetensors", 9_000_000)
    assert verify(saved) == "model.safetensors differs from what was written, in the 4 MiB from byte 8,388,608"


def test_loaded_tensors_are_the_callers_own(vault: Vault) -> None:
    saved = vault.save(1, state(), FIELDS, [])
    vault.load(saved)["model"]["embed"].zero_()
    assert same(vault.load(saved), state())


def test_checkpoints_are_in_the_order_of_the_run_not_of_their_files(tmp_path: Path) -> None:
    for incarnation, steps in ((1, (10, 20, 30)), (2, (15, 25))):
        vault = Vault(tmp_path, incarnation)
        for step in steps:
            vault.save(step, state(step), FIELDS, [])
    for age, checkpoint in enumerate(vault.checkpoints()):
        os.utime(checkpoint.path, (10**9 - age, 10**9 - age))
    assert [(found.incarnation, found.step) for found in vault.checkpoints()] == [
        (1, 10), (1, 20), (1, 30), (2, 15), (2, 25)
    ]  # fmt: skip
    newest = vault.newest_valid()
    assert newest is not None
    assert (newest.incarnation, newest.step) == (2, 25)


def test_a_lost_count_of_starts_does_not_make_new_work_look_old(tmp_path: Path) -> None:
    Vault(tmp_path, 5).save(10, state(), FIELDS, [])
    saved = Vault(tmp_path, 1).save(20, state(1), FIELDS, [], TWO)
    assert saved.incarnation == 5
    newest = Vault(tmp_path).newest_valid()
    assert newest is not None
    assert newest.step == 20


def test_the_same_state_twice_is_one_checkpoint_and_another_state_is_refused(vault: Vault) -> None:
    first = vault.save(3, state(), FIELDS, ["interval"])
    assert vault.save(3, state(), FIELDS, ["stage_end"]).path == first.path
    with pytest.raises(Fault, match="another state"):
        vault.save(3, state(1), FIELDS, [])
    assert same(vault.load(first), state())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("part", "name"), [("model", "brain"), ("optimizer", "embed.mean")])
def test_a_state_that_is_not_finite_is_refused(vault: Vault, part: str, name: str, value: float) -> None:
    broken = state()
    broken[part][name].view(-1)[3] = value
    with pytest.raises(Fault, match=f"{name} of the {part} is not finite"):
        vault.save(1, broken, FIELDS, [])
    assert vault.checkpoints() == []


def test_digests_are_equal_iff_the_state_is(tmp_path: Path) -> None:
    def of(name: str, tensors: dict[str, dict[str, Tensor]], **fields: Any) -> dict[str, str]:
        return digests(Vault(tmp_path / name, 1).save(1, tensors, FIELDS | fields, []))

    base = of("base", state())
    assert of("same", state(), tokens=1) == base
    renamed = state()
    renamed["model"]["other"] = renamed["model"].pop("ids")
    shaped = state()
    shaped["model"]["embed"] = shaped["model"]["embed"].reshape(8, 40)
    for number, changed in enumerate((state(1), renamed, shaped)):
        assert of(f"changed-{number}", changed)["model"] != base["model"]
    counted = of("counted", state(), optimizer={"step": 4})
    assert counted["model"] == base["model"]
    assert counted["optimizer"] != base["optimizer"]


@pytest.mark.parametrize("file", ["MANIFEST.json", "model.safetensors", "optimizer.safetensors"])
def test_damage_to_any_file_is_found_set_aside_and_told(vault: Vault, file: str) -> None:
    random_places = random.Random(0)
    vault.save(1, state(1), FIELDS, [])
    for step in range(2, 14):
        saved = vault.save(step, state(step), FIELDS, [])
        path = saved.path / file
        match step % 4:
            case 0:
                path.unlink()
            case 1:
                os.truncate(path, random_places.randrange(path.stat().st_size - 1))
            case 2:
                path.write_bytes(bytes(path.stat().st_size))
            case 3:
                flip(path, random_places.randrange(path.stat().st_size - 200))
        good = vault.newest_valid()
        assert good is not None
        assert good.step == 1
        assert same(vault.load(good), state(1))
        aside = vault.root / "quarantine" / saved.path.name
        assert aside.is_dir()
        reason = json.loads(aside.with_name(f"{aside.name}.reason.json").read_text())
        assert reason["why"] == vault.rejected[saved.path.name]


def test_loading_verifies_what_it_hands_out(vault: Vault) -> None:
    saved = vault.save(1, state(), FIELDS, [])
    assert "embed" in vault.load(saved, parts=["model"])["model"]
    flip(saved.path / "optimizer.safetensors", 100)
    assert same(vault.load(saved, parts=["model"]) | {"optimizer": {}}, state() | {"optimizer": {}})
    with pytest.raises(Damaged, match=r"optimizer\.safetensors differs"):
        vault.load(saved)
    with pytest.raises(Damaged, match=r"extra\.safetensors is not in its manifest"):
        vault.load(saved, parts=["extra"])


def test_no_valid_checkpoint_stops_every_time_and_moves_nothing(vault: Vault) -> None:
    assert vault.newest_valid() is None
    for step in (1, 2):
        flip(vault.save(step, state(step), FIELDS, []).path / "model.safetensors", 300)
    before = listing(vault.root)
    for _ in range(2):
        with pytest.raises(NoValidCheckpoint, match="2 checkpoints and none is valid"):
            vault.newest_valid()
    assert listing(vault.root) == before


def test_quarantine_alone_is_no_fresh_start(vault: Vault) -> None:
    good = vault.save(1, state(1), FIELDS, [])
    flip(vault.save(2, state(2), FIELDS, []).path / "model.safetensors", 300)
    vault.newest_valid()
    fileops.remove_tree(good.path)
    with pytest.raises(NoValidCheckpoint, match="quarantine"):
        vault.newest_valid()


def test_a_newer_format_is_left_alone(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.save(1, state(1), FIELDS, [])
    monkeypatch.setattr("holdfast.vault.manifest.SCHEMA", 9)
    newer = vault.save(2, state(2), FIELDS | {"schema": 9}, [])
    monkeypatch.undo()
    before = listing(vault.root)
    with pytest.raises(FromTheFuture, match=newer.path.name):
        vault.newest_valid()
    assert listing(vault.root) == before


def test_reading_creates_and_moves_nothing(vault: Vault) -> None:
    reader = Vault(vault.root)
    assert reader.newest_valid() is None
    assert not vault.root.exists()
    vault.save(1, state(1), FIELDS, [])
    flip(vault.save(2, state(2), FIELDS, []).path / "model.safetensors", 300)
    before = listing(vault.root)
    found = reader.newest_valid()
    assert found is not None
    assert found.step == 1
    assert list(reader.rejected) == ["step-00000002.i01"]
    assert listing(vault.root) == before
    with pytest.raises(Fault, match="for reading only"):
        reader.save(3, state(), FIELDS, [])


def test_strangers_are_no_checkpoints(vault: Vault, tmp_path: Path) -> None:
    saved = vault.save(1, state(), FIELDS, [])
    folder = saved.path.parent
    (folder / "step-00000009.i01").symlink_to(saved.path)
    (folder / "step-9.i01").mkdir()
    (folder / "step-00000002.i01.bak").mkdir()
    (folder / "step-00000003.i01").write_text("a file")
    assert [found.path for found in vault.checkpoints()] == [saved.path]
    (folder / "step-00000004.i01").mkdir()
    found = vault.newest_valid()
    assert found is not None
    assert found.path == saved.path


def test_a_checkpoint_under_another_name_and_a_linked_file_are_damage(vault: Vault, tmp_path: Path) -> None:
    saved = vault.save(1, state(), FIELDS, [])
    renamed = Checkpoint(saved.path.with_name("step-00000005.i01"), 5, 1)
    os.rename(saved.path, renamed.path)
    assert verify(renamed) == "its manifest belongs to another checkpoint"
    os.rename(renamed.path, saved.path)
    weights = saved.path / "model.safetensors"
    os.rename(weights, tmp_path / "elsewhere")
    weights.symlink_to(tmp_path / "elsewhere")
    assert "can not be read" in str(verify(saved))


def test_nothing_we_write_is_a_pickle(vault: Vault) -> None:
    saved = vault.save(1, state(), FIELDS, [])
    for path in saved.path.iterdir():
        with pytest.raises(ValueError, match="opcode"):
            list(pickletools.genops(path.read_bytes()))
