"""The vault with the disk failing, or the process dying, at every single operation."""

from __future__ import annotations

import errno
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.base.faults import DiskFault
from holdfast.disk import fileops
from holdfast.vault.store import Vault
from holdfast.vault.verify import verify
from tests.disk.watchers import Killed, Nth, refusal
from tests.vault.states import FIELDS, TWO, flip, four_steps, listing, pointer, same, state, tagged

pytestmark = pytest.mark.slow  # every operation, each with a vault of its own


def test_what_a_killed_writer_left_is_swept_by_the_next_one(vault: Vault) -> None:
    vault.save(1, state(), FIELDS, [])
    for place in (".stage", ".trash"):
        (vault.root / "checkpoints" / place / "step-00000002.i01.99").mkdir(parents=True)
    assert Vault(vault.root).newest_valid() is not None
    Vault(vault.root, 2).save(3, state(), FIELDS, [])
    assert list((vault.root / "checkpoints" / ".stage").iterdir()) == []
    assert list((vault.root / "checkpoints" / ".trash").iterdir()) == []


def failures(root: Path, failure: Callable[[], BaseException]) -> Iterator[tuple[Path, Nth]]:
    """One fresh vault with a milestone and a sound checkpoint per operation of a save that comes after them."""
    prepared = Vault(root / "prepared", 1)
    for step in (0, 1):
        prepared.save(step, state(step), FIELDS, ["milestone"] if step == 0 else [])
    counting = Nth()
    shutil.copytree(prepared.root, root / "count")
    with fileops.watched(counting):
        Vault(root / "count", 2).save(2, state(2), FIELDS, [], TWO)
    assert {*fileops.KINDS} - {*counting.seen} == {"truncate"}
    for number in range(1, counting.count + 1):
        shutil.copytree(prepared.root, root / str(number))
        yield root / str(number), Nth(number, failure)


@pytest.mark.parametrize("number", [errno.ENOSPC, pytest.param(errno.EIO, marks=pytest.mark.slow)])
def test_a_disk_that_fails_at_any_operation_loses_nothing_and_recovers(tmp_path: Path, number: int) -> None:
    for root, failing in failures(tmp_path, lambda: refusal(number)):
        vault = Vault(root, 2)
        with fileops.watched(failing):
            try:
                vault.save(2, state(2), FIELDS, [], TWO)
                saved = True
            except DiskFault:
                saved = False
        found = Vault(root).newest_valid()
        assert found is not None
        assert found.step == 2 or not saved
        assert same(Vault(root).load(found), state(found.step))
        assert list((root / "checkpoints").glob(".stage/*")) == []
        assert vault.save(2, state(2), FIELDS, [], TWO).step == 2  # the disk is well again
        assert [verify(each) for each in vault.everything()] == [None] * 3


def test_a_process_killed_at_any_operation_loses_nothing_it_had_reported(tmp_path: Path) -> None:
    for root, failing in failures(tmp_path, Killed):
        with fileops.watched(failing), pytest.raises(Killed):
            Vault(root, 2).save(2, state(2), FIELDS, [], TWO)
        again = Vault(root, 3)
        found = again.newest_valid()
        assert found is not None
        assert same(again.load(found), state(found.step))
        assert again.rejected == {}  # a crash leaves no damage, only the old or the new
        again.save(found.step + 1, state(9), FIELDS, [], TWO)
        assert [verify(each) for each in again.everything()] == [None] * 3, "and the milestone is there"


@pytest.mark.slow
def test_an_interrupted_operation_is_begun_again(tmp_path: Path) -> None:
    for root, failing in failures(tmp_path, lambda: refusal(errno.EINTR)):
        with fileops.watched(failing):
            saved = Vault(root, 2).save(2, state(2), FIELDS, [], TWO)
        assert same(Vault(root).load(saved), state(2))


def test_killed_at_any_operation_of_going_back_it_is_either_done_or_not(tmp_path: Path) -> None:
    four_steps(tmp_path / "prepared")
    for number in range(1, 100):
        root = tmp_path / str(number)
        shutil.copytree(tmp_path / "prepared", root)
        vault, killing = Vault(root, 2), Nth(number, Killed)
        try:
            with fileops.watched(killing):
                vault.adopt(vault.checkpoints()[1], ["adopted"])
        except Killed:
            again = Vault(root, 3)
            found = again.newest_valid()
            assert found is not None
            assert found.path.name in ("step-00000004.i01", "step-00000002.i02")
            assert again.rejected == {}
            assert tagged(again, "best") == 2, "known of whichever of the two is in the line of the run"
            assert tagged(again, "healthy") == 2
            continue
        break
    assert number > 10


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


class Rotting:
    """Memory or disk that changes a byte of the weights between their hash and their rename."""

    def before(self, operation: fileops.Operation) -> None:
        if operation.kind == "rename" and operation.path.parent.name == ".stage":
            flip(operation.path / "model.safetensors", 200)

    def after(self, operation: fileops.Operation) -> None:
        pass


def test_what_reads_back_differently_is_not_called_saved_and_nothing_older_goes(vault: Vault) -> None:
    for step in (1, 2, 3):
        vault.save(step, state(step), FIELDS, [])
    with fileops.watched(Rotting()), pytest.raises(DiskFault, match="reads back differently"):
        vault.save(4, state(4), FIELDS, [], TWO)
    assert [found.step for found in vault.checkpoints()] == [1, 2, 3]
    assert (vault.root / "quarantine" / "step-00000004.i01").is_dir()
    assert pointer(vault, "latest")["step"] == 3
    assert vault.save(4, state(4), FIELDS, [], TWO).step == 4
