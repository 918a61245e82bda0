"""Every change of the disk is seen, before and after; each does what its name says and nothing more."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from holdfast.disk import fileops
from holdfast.disk.fileops import KINDS, Kind, NewFile, Operation, watch, watched


class Log:
    """Writes down what is about to take place, and what has."""

    def __init__(self) -> None:
        self.before_: list[Operation] = []
        self.after_: list[Operation] = []

    def before(self, operation: Operation) -> None:
        self.before_.append(operation)

    def after(self, operation: Operation) -> None:
        self.after_.append(operation)


class Interrupts:
    """A signal comes in the middle of each operation, three times."""

    def __init__(self) -> None:
        self.left = 3

    def before(self, operation: Operation) -> None:
        if self.left:
            self.left -= 1
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        self.left = 3

    def after(self, operation: Operation) -> None:
        pass


def everything(folder: Path) -> None:
    """Each kind of operation, at least once."""
    fileops.make_directory(folder / "a" / "b")
    with NewFile(folder / "a" / "file") as file:
        file.allocate(8)
        file.write(b"01234567")
        file.shorten(4)
        file.sync()
    fileops.sync_written(folder / "a" / "file")
    fileops.link(folder / "a" / "file", folder / "a" / "second")
    fileops.replace(folder / "a" / "second", folder / "a" / "third")
    fileops.rename(folder / "a" / "b", folder / "b")
    assert [each.name for each in fileops.entries(folder / "a")] == ["file", "third"]
    fileops.unlink(folder / "a" / "third")
    fileops.rmdir(folder / "b")
    fileops.sync_directory(folder)


def test_every_kind_is_seen_before_and_after_and_only_while_watched(tmp_path: Path) -> None:
    log = Log()
    with watched(log):
        everything(tmp_path / "one")
    assert log.before_ == log.after_
    assert {each.kind for each in log.before_} == set(KINDS) == set(get_args(Kind))
    seen = len(log.before_)
    everything(tmp_path / "two")
    assert len(log.before_) == seen
    assert (tmp_path / "one" / "a" / "file").read_bytes() == b"0123"


def test_an_operation_says_what_it_is_about(tmp_path: Path) -> None:
    log = Log()
    with watched(log), NewFile(tmp_path / "new") as file:
        file.allocate(3)
        file.write(b"abc")
        fileops.rename(tmp_path / "new", tmp_path / "old")
    create, allocate, write, rename = log.before_
    assert (create.path, allocate.size, rename.target) == (tmp_path / "new", 3, tmp_path / "old")
    assert write.data is not None
    assert bytes(write.data) == b"abc"
    assert write.handle >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_operation_does_not_take_place(tmp_path: Path, kind: str) -> None:
    class Refuses(Log):
        def before(self, operation: Operation) -> None:
            super().before(operation)
            if operation.kind == kind:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(operation.path))

    log = Refuses()
    with watched(log), pytest.raises(OSError, match="Input/output"):
        everything(tmp_path)
    assert log.before_[-1].kind == kind
    assert log.after_ == log.before_[:-1]


def test_an_interrupted_operation_is_begun_again(tmp_path: Path) -> None:
    with watched(Interrupts()):
        everything(tmp_path)
    assert (tmp_path / "a" / "file").read_bytes() == b"0123"


def test_the_watch_ends_with_its_block_also_after_a_failure(tmp_path: Path) -> None:
    log = Log()
    with pytest.raises(FileExistsError), watched(log):
        fileops.mkdir(tmp_path)
    fileops.mkdir(tmp_path / "unseen")
    assert [each.path for each in log.before_] == [tmp_path]
    watch(log)
    watch(None)
    fileops.mkdir(tmp_path / "unseen too")
    assert len(log.before_) == 1


def test_a_new_file_is_new(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        NewFile(tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"mine"


def test_a_write_is_whole_however_much_the_system_takes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: whole(handle, bytes(data)[:3]))
    with NewFile(tmp_path / "file") as file:
        assert file.write(b"0123456789") == 10
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_what_is_appended_goes_to_the_end_after_the_file_was_cut(tmp_path: Path) -> None:
    with NewFile(tmp_path / "file", append=True) as file:
        file.write(b"one two")
        file.shorten(3)
        file.write(b", three")
        file.close()
        file.close()
    assert (tmp_path / "file").read_bytes() == b"one, three"


def test_a_file_system_that_can_not_take_room_ahead_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: int) -> Callable[..., None]:
        def posix_fallocate(*_: int) -> None:
            raise OSError(number, os.strerror(number))

        return posix_fallocate

    with NewFile(tmp_path / "file") as file:
        monkeypatch.setattr(os, "posix_fallocate", refuse(errno.EOPNOTSUPP), raising=False)
        file.allocate(100)
        file.write(b"bytes")
        monkeypatch.setattr(os, "posix_fallocate", refuse(errno.ENOSPC), raising=False)
        with pytest.raises(OSError, match="No space"):
            file.allocate(100)
    assert (tmp_path / "file").read_bytes() == b"bytes"


def test_entries_of_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert fileops.entries(tmp_path / "nowhere") == fileops.entries(tmp_path / "file") == []


def test_a_new_directory_is_made_durable_from_the_top_down(tmp_path: Path) -> None:
    log = Log()
    with watched(log):
        fileops.make_directory(tmp_path / "a" / "b")
        fileops.make_directory(tmp_path / "a" / "b")
    assert [(each.kind, each.path) for each in log.before_] == [
        ("mkdir", tmp_path / "a"),
        ("sync_directory", tmp_path),
        ("mkdir", tmp_path / "a" / "b"),
        ("sync_directory", tmp_path / "a"),
    ]


def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept").write_bytes(b"x")
    tree = tmp_path / "tree"
    (tree / "inside").mkdir(parents=True)
    (tree / "inside" / "file").write_bytes(b"y")
    (tree / "link").symlink_to(tmp_path / "mine")
    (tree / "dead").symlink_to(tmp_path / "nowhere")
    fileops.remove_tree(tree)
    assert not tree.exists()
    assert (tmp_path / "mine" / "kept").exists()
    (tmp_path / "alone").touch()
    fileops.remove_tree(tmp_path / "alone")
    assert not (tmp_path / "alone").exists()
