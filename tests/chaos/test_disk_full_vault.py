"""The disk is full, over its quota, or failing, at every operation and at many sizes: vault and journal lose nothing.

What was saved before stays, nothing half can be taken for a checkpoint, the failure is told as one of the disk, and the
same vault and journal go on as soon as the disk does.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from holdfast.base.faults import DiskFault
from holdfast.disk import fileops
from holdfast.disk.fileops import Operation
from holdfast.journal.journal import Journal, Problem, read
from holdfast.vault.checkpoint import Checkpoint
from holdfast.vault.store import Policy, Vault
from holdfast.vault.verify import PARTS, digest, verify

from ..disk.watchers import Nth, refusal
from .memory import folder_in_memory
from .results import count, record

pytestmark = pytest.mark.slow

POLICY = Policy(newest=2)
EARLIER = (1, 2, 3)  # steps that were saved while all was well; the first is a milestone
SIZES = 50
ERRORS = {"full": errno.ENOSPC, "quota": errno.EDQUOT, "failing": errno.EIO}
LETS_GO = ("unlink", "rmdir", "list", "sync", "sync_directory", "truncate")  # what a full disk still does


def state(step: int) -> dict[str, dict[str, Tensor]]:
    """Two files of 64 KB each, so that a few dozen pages lie between no room and enough."""
    numbers = torch.Generator().manual_seed(step)
    return {part: {"table": torch.randn(128, 128, generator=numbers)} for part in ("model", "optimizer")}


def same(vault: Vault, checkpoint: Checkpoint) -> bool:
    """Whether it verifies and holds the state of its step, bit for bit."""
    if verify(checkpoint) is not None:
        return False
    found = vault.load(checkpoint, ["model"] if checkpoint.weights_only else PARTS)
    return all(digest(tensors) == digest(state(checkpoint.step)[part]) for part, tensors in found.items())


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that saved three times."""
    folder = tmp_path_factory.mktemp("earlier")
    start = Start(folder)
    for step in EARLIER:
        start.journal.append("step", step=step)
        start.vault.save(step, state(step), {"stage": "pretrain"}, ["milestone" if step == 1 else "interval"])
    start.journal.commit()
    start.journal.close()
    return folder


@pytest.fixture
def place() -> Iterator[Path]:
    with folder_in_memory() as folder:
        yield folder


@dataclass
class Start:
    """A start of that run, which journals and saves one step more, as often as it is asked to."""

    folder: Path
    appended: int = 0
    committed: int = 0
    saved: bool = False
    journal: Journal = field(init=False)
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal.open(self.folder / "journal")
        self.vault = Vault(self.folder / "pretrain", self.journal.incarnation)

    def work(self) -> None:
        """A step, and the save of its state with everything that belongs to it. Raises DiskFault."""
        for _ in range(3):
            self.journal.append("step", step=4)  # never raises: lines wait while the disk refuses
            self.appended += 1
        self._commit()
        checkpoint = self.vault.commit(4, state(4), {"stage": "pretrain"}, ["interval"])
        self.saved = True
        self.journal.append("checkpoint", step=4)
        self.appended += 1
        self._commit()
        self.vault.settle(checkpoint, POLICY)
        self.vault.mark(checkpoint, "best", 1.0)

    def _commit(self) -> None:
        self.journal.commit()
        self.committed = self.appended

    def tried(self) -> str:
        """Work, and what came of it."""
        try:
            self.work()
        except DiskFault:
            return "told"
        return "done"

    def nothing_is_lost(self) -> None:
        """What must hold while the disk still refuses."""
        reader = Vault(self.vault.root)
        newest = reader.newest_valid()
        assert newest is not None
        assert newest.step == 4 if self.saved else newest.step in (3, 4)
        assert reader.rejected == {}
        everything = reader.everything()
        assert all(same(reader, checkpoint) for checkpoint in everything)
        steps = {checkpoint.step for checkpoint in everything}
        assert steps >= ({1, 3} if self.saved else {*EARLIER})
        found = [each["kind"] for each in read(self.folder / "journal")]
        assert len(found) >= len(EARLIER) + self.committed

    def goes_on(self, *, half_lines: bool = False) -> None:
        """The disk is well again: what failed succeeds now, in the same start, and in the next one.

        half_lines: the disk would not even cut them off, so readers tell of them.
        """
        self.work()
        self.nothing_is_lost()
        assert sorted((each.step, each.weights_only) for each in self.vault.everything()) == [
            (1, True), (3, False), (4, False)
        ]  # fmt: skip
        assert [*self.vault.root.glob("checkpoints/.stage/*"), *self.vault.root.glob("checkpoints/.trash/*")] == []
        self.journal.close()
        problems: list[Problem] = []
        assert len(list(read(self.folder / "journal", problems))) == len(EARLIER) + self.appended
        assert half_lines or problems == []
        again = Start(self.folder)
        found = again.vault.newest_valid()
        assert found is not None
        assert found.step == 4
        again.journal.close()


def begun(earlier: Path, folder: Path) -> Start:
    shutil.copytree(earlier, folder)
    return Start(folder)


class FromThenOn(Nth):
    """A disk that refuses from the n-th operation on, whatever takes room of it; one that is `dead`, anything at all.

    Of a write that does not fit the first half gets through.
    """

    def __init__(self, number: int, error: int, *, dead: bool) -> None:
        super().__init__()
        self.well = False
        self._from, self._error, self._dead_disk = number, error, dead

    def before(self, operation: Operation) -> None:
        super().before(operation)
        if self.well or self.count < self._from or (operation.kind in LETS_GO and not self._dead_disk):
            return
        if operation.data is not None:
            os.write(operation.handle, operation.data[: len(operation.data) // 2])
        raise refusal(self._error)


def operations(earlier: Path, folder: Path) -> Sequence[int]:
    """Numbers of operations of one save with all that belongs to it: all of them in the long form."""
    start, counter = begun(earlier, folder), Nth()
    with fileops.watched(counter):
        start.work()
    start.journal.close()
    assert counter.count > 50
    return range(1, counter.count + 1, count(5, 1))


@pytest.mark.parametrize("error", ERRORS)
def test_an_operation_that_fails_once(earlier: Path, place: Path, error: str) -> None:
    numbers, outcomes = operations(earlier, place / "count"), Counter[str]()
    for number in numbers:
        start = begun(earlier, place / str(number))
        with fileops.watched(Nth(number, partial(refusal, ERRORS[error]))):
            outcomes[start.tried()] += 1
        start.nothing_is_lost()
        start.goes_on()
    record(f"disk_fails_once_{error}", {"operations": len(numbers), **outcomes})
    assert outcomes["told"]


@pytest.mark.parametrize("error", ERRORS)
def test_a_disk_that_refuses_from_an_operation_on(earlier: Path, place: Path, error: str) -> None:
    numbers, outcomes = operations(earlier, place / "count"), Counter[str]()
    for number in numbers:
        start = begun(earlier, place / str(number))
        disk = FromThenOn(number, ERRORS[error], dead=error == "failing")
        with fileops.watched(disk):
            for _ in range(2):  # what is tried again on a full disk fails again, and harms nothing
                outcomes[start.tried()] += 1
                start.nothing_is_lost()
            disk.well = True
            start.goes_on(half_lines=error == "failing")
    record(f"disk_refuses_from_then_on_{error}", {"operations": len(numbers), **outcomes})
    assert outcomes["told"]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_limits_on_the_size_of_a_file(earlier: Path, place: Path) -> None:
    """Python ignores SIGXFSZ, so a write beyond the limit is refused as too large."""
    outcomes, enough = Counter[str](), 72_000
    sizes = range(0, enough, enough // count(12, SIZES))
    for size in sizes:
        start = begun(earlier, place / str(size))
        with largest_file(size):
            outcomes[start.tried()] += 1
            start.nothing_is_lost()
        start.goes_on()
    record("disk_file_size_limits", {"sizes": len(sizes), **outcomes})
    assert outcomes["told"]
    assert outcomes["done"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 16 MB, where the machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes rights that are not here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


class Neighbour:
    """Another program, which takes all but `pages` of the disk while a save is under way that made sure of its room."""

    def __init__(self, disk: Path, pages: int) -> None:
        self.hoard = disk / "hoard"
        self._disk, self._pages = disk, pages

    def before(self, operation: Operation) -> None:
        if operation.kind == "mkdir" and not self.hoard.exists():
            self.take()

    def after(self, operation: Operation) -> None:
        pass

    def take(self) -> None:
        room = os.statvfs(self._disk)
        with open(self.hoard, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (room.f_bavail - self._pages) * room.f_frsize)


def test_disks_with_a_few_pages_left(earlier: Path, small_disk: Path) -> None:
    outcomes, sizes = Counter[str](), range(0, SIZES, count(4, 1))
    for pages in sizes:
        start, neighbour = begun(earlier, small_disk / "run"), Neighbour(small_disk, pages)
        with fileops.watched(neighbour):
            outcomes[start.tried()] += 1
        assert neighbour.hoard.exists()
        start.nothing_is_lost()
        neighbour.hoard.unlink()
        start.goes_on()
        shutil.rmtree(start.folder)
    record("disk_pages_left", {"sizes": len(sizes), **outcomes})
    assert outcomes["told"]
    assert outcomes["done"]


def test_a_disk_that_is_full_before_the_save(earlier: Path, small_disk: Path) -> None:
    """It is told before anything is written, and what is written of the journal all the same is whole lines."""
    sizes = range(0, SIZES, count(4, 1))
    for pages in sizes:
        start, neighbour = begun(earlier, small_disk / "run"), Neighbour(small_disk, pages)
        neighbour.take()
        assert start.tried() == "told"
        assert not start.saved
        assert [path.name for path in start.vault.root.glob("checkpoints/.stage/*")] == []
        start.nothing_is_lost()
        neighbour.hoard.unlink()
        start.goes_on()
        shutil.rmtree(start.folder)
    record("disk_full_before", {"sizes": len(sizes)})
