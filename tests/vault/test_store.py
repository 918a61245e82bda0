"""The vault under use, under abuse, and with the disk failing at every single operation."""

from __future__ import annotations

import errno
import json
import os
import pickletools
import random
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from holdfast.base.faults import DiskFault, Fault, NoValidCheckpoint
from holdfast.vault import disk
from holdfast.vault.manifest import Damaged, FromTheFuture
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import digests, verify

FIELDS: dict[str, Any] = {"stage": "pretrain", "tokens": 640, "optimizer": {"step": 3}}
OPERATIONS = ("open", "posix_fallocate", "write", "rename")


def state(seed: int = 0) -> dict[str, dict[str, Tensor]]:
    random_numbers = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random_numbers)

    model = {
        "embed": normal(40, 8),
        "half": normal(3, 5).half(),
        "brain": normal(7).bfloat16(),
        "ids": torch.arange(seed, seed + 5),
        "bytes": torch.arange(3, dtype=torch.uint8),
        "turned": normal(4, 6).T,
        "scalar": normal(1)[0],
        "nothing": torch.empty(0, 4),
    }
    return {"model": model, "optimizer": {"embed.mean": normal(40, 8), "count": torch.tensor(seed)}}


def same(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> bool:
    return all(
        one[part].keys() == other[part].keys()
        and all(
            one[part][name].dtype == other[part][name].dtype and torch.equal(one[part][name], other[part][name])
            for name in one[part]
        )
        for part in ("model", "optimizer")
    )


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def flip(path: Path, byte: int) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 16
    path.write_bytes(content)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "run" / "pretrain", incarnation=1)


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
    saved = Vault(tmp_path, 1).save(20, state(1), FIELDS, [], keep=2)
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
    disk.remove_tree(good.path)
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


def test_retention_keeps_the_newest_the_best_and_the_pointers(vault: Vault) -> None:
    scores = {1: 3.0, 2: 2.0, 3: 1.0}
    for step in range(1, 9):
        tags = ["best"] if step in scores else ["interval"]
        vault.save(step, state(step), FIELDS | {"best": scores.get(step, 1.0)}, tags, keep=2)
    assert [found.step for found in vault.checkpoints()] == [2, 3, 7, 8]
    assert json.loads((vault.root / "latest.json").read_text())["step"] == 8
    assert json.loads((vault.root / "best.json").read_text()) == {
        "checkpoint": "step-00000003.i01", "step": 3, "tags": ["best"], "score": 1.0
    }  # fmt: skip


def test_what_a_killed_writer_left_is_swept_by_the_next_one(vault: Vault) -> None:
    vault.save(1, state(), FIELDS, [])
    for place in (".stage", ".trash"):
        (vault.root / "checkpoints" / place / "step-00000002.i01.99").mkdir(parents=True)
    assert Vault(vault.root).newest_valid() is not None
    Vault(vault.root, 2).save(3, state(), FIELDS, [])
    assert list((vault.root / "checkpoints" / ".stage").iterdir()) == []
    assert list((vault.root / "checkpoints" / ".trash").iterdir()) == []


class Failing:
    """Stands in for `os`: the n-th of the counted operations raises."""

    def __init__(self, fail_at: int, failure: Callable[[], BaseException]) -> None:
        self.count = 0
        self.fail_at, self.failure = fail_at, failure

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (*OPERATIONS, "fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))
        monkeypatch.setattr(disk, "_sync_data", os.fdatasync)

    def counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.fail_at:
                raise self.failure()
            return operation(*args, **kwargs)

        return run


def failures(root: Path, failure: Callable[[], BaseException]) -> Iterator[tuple[Path, Failing]]:
    """One fresh vault with a sound checkpoint per operation of a save that comes after it."""
    counter = Failing(0, failure)
    with pytest.MonkeyPatch.context() as patch:
        prepared(root / "count")
        counter.install(patch)
        Vault(root / "count", 2).save(2, state(2), FIELDS, [], keep=2)
    assert counter.count > 10
    for fail_at in range(1, counter.count + 1):
        place = root / str(fail_at)
        prepared(place)
        yield place, Failing(fail_at, failure)


def prepared(root: Path) -> None:
    for step in (0, 1):
        Vault(root, 1).save(step, state(step), FIELDS, [])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES])
def test_a_disk_that_fails_at_any_operation_loses_nothing_and_recovers(tmp_path: Path, number: int) -> None:
    for root, failing in failures(tmp_path, lambda: OSError(number, os.strerror(number))):
        vault = Vault(root, 2)
        with pytest.MonkeyPatch.context() as patch:
            failing.install(patch)
            try:
                vault.save(2, state(2), FIELDS, [], keep=2)
                saved = True
            except DiskFault:
                saved = False
        found = Vault(root).newest_valid()
        assert found is not None
        assert found.step == 2 or not saved
        assert same(Vault(root).load(found), state(found.step))
        assert list((root / "checkpoints" / ".stage").iterdir()) == []
        assert vault.save(2, state(2), FIELDS, [], keep=2).step == 2  # the disk is well again


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


def unless_dead(failing: Failing, operation: Callable[[Path], None]) -> Callable[[Path], None]:
    """The dead clean nothing up."""
    return lambda path: operation(path) if failing.count < failing.fail_at else None


def test_a_process_killed_at_any_operation_loses_nothing_it_had_reported(tmp_path: Path) -> None:
    for root, failing in failures(tmp_path, Killed):
        with pytest.MonkeyPatch.context() as patch:
            failing.install(patch)
            patch.setattr(disk, "remove_tree", unless_dead(failing, disk.remove_tree))
            with pytest.raises(Killed):
                Vault(root, 2).save(2, state(2), FIELDS, [], keep=2)
        again = Vault(root, 3)
        found = again.newest_valid()
        assert found is not None
        assert same(again.load(found), state(found.step))
        assert again.rejected == {}  # a crash leaves no damage, only the old or the new
        again.save(found.step + 1, state(9), FIELDS, [], keep=2)


def test_a_file_size_limit_is_a_disk_fault(vault: Vault) -> None:
    vault.save(1, state(), FIELDS, [])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        with pytest.raises(DiskFault, match="can not be written"):
            vault.save(2, state(2), FIELDS, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [found.step for found in vault.checkpoints()] == [1]
    assert vault.save(2, state(2), FIELDS, []).step == 2


def test_too_little_space_is_told_before_anything_is_written(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.save(1, state(), FIELDS, [])
    before = listing(vault.root)
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(5_000_000))
    vault.save(2, state(), FIELDS, [])
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(4_190_000))
    with pytest.raises(DiskFault, match="no space left"):
        vault.save(3, state(), FIELDS, [])
    assert [name for name in listing(vault.root) if "step-00000002" not in name] == before


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_what_reads_back_differently_is_not_called_saved(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.save(1, state(1), FIELDS, [])
    written = disk.publish_directory

    def spoil(stage: Path, target: Path) -> None:
        written(stage, target)
        flip(target / "model.safetensors", 200)

    monkeypatch.setattr(disk, "publish_directory", spoil)
    with pytest.raises(DiskFault, match="reads back differently"):
        vault.save(2, state(2), FIELDS, [], keep=2)
    assert [found.step for found in vault.checkpoints()] == [1]


def test_nothing_we_write_is_a_pickle(vault: Vault) -> None:
    saved = vault.save(1, state(), FIELDS, [])
    for path in saved.path.iterdir():
        with pytest.raises(ValueError, match="opcode"):
            list(pickletools.genops(path.read_bytes()))
