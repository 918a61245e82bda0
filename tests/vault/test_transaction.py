"""Files and directories that come and go as one, on disks that are small, full, or without links."""

from __future__ import annotations

import errno
import os
from collections import namedtuple
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import xxhash

from holdfast.base.faults import DiskFault
from holdfast.disk import fileops
from holdfast.disk.files import CHUNK_BYTES, chunk_hashes
from holdfast.vault import transaction
from tests.disk.watchers import Nth, Refusing, refusal

Usage = namedtuple("Usage", "total used free")


def pieces(content: bytes, *cuts: int) -> list[memoryview]:
    edges = [0, *cuts, len(content)]
    return [memoryview(content)[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("cuts", [(), (1,), (CHUNK_BYTES,), (5, 6, CHUNK_BYTES + 7), (0, 2 * CHUNK_BYTES)])
def test_a_record_tells_the_bytes_however_they_came(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    content = os.urandom(1000) * 9000
    record = transaction.write_file(tmp_path / "file", len(content), pieces(content, *cuts))
    assert (tmp_path / "file").read_bytes() == content
    assert record.bytes == len(content)
    assert list(record.chunks) == chunk_hashes(tmp_path / "file")
    assert record == transaction.record_of(pieces(content))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_sizes_around_a_chunk(tmp_path: Path, size: int) -> None:
    record = transaction.write_file(tmp_path / "file", size, pieces(bytes(size)))
    assert (record.bytes, len(record.chunks)) == (size, -(-size // CHUNK_BYTES))
    if size:
        assert record.chunks[-1] == xxhash.xxh3_128_hexdigest(bytes(size - (len(record.chunks) - 1) * CHUNK_BYTES))


def test_the_room_is_taken_before_the_first_byte_and_no_write_is_long(tmp_path: Path) -> None:
    counting = Nth()
    with fileops.watched(counting):
        transaction.write_file(tmp_path / "file", 3 * CHUNK_BYTES, pieces(bytes(3 * CHUNK_BYTES)))
    assert counting.seen == ["create", "allocate", "write", "write", "write", "sync"]


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(FileExistsError):
        transaction.write_file(tmp_path / "file", 3, pieces(b"new"))
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("linked", [True, False])
def test_the_same_file_is_a_link_where_there_are_links_and_a_copy_elsewhere(tmp_path: Path, linked: bool) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(CHUNK_BYTES + 9))
    with fileops.watched(Refusing(tmp_path, [] if linked else ["link"])):
        transaction.same_file(source, target, CHUNK_BYTES + 9, own=True)
    assert source.samefile(target) == linked
    assert source.read_bytes() == target.read_bytes()


def test_what_is_not_ours_is_copied_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"theirs")
    transaction.same_file(tmp_path / "source", tmp_path / "target", 6, own=False)
    assert not (tmp_path / "source").samefile(tmp_path / "target")
    (tmp_path / "link").symlink_to(tmp_path / "source")
    with pytest.raises(OSError, match="symbolic links"):
        transaction.same_file(tmp_path / "link", tmp_path / "other", 6, own=False)


def test_a_directory_is_published_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    transaction.publish_directory(tmp_path / "one", tmp_path / "final")
    with pytest.raises(OSError, match="not empty"):
        transaction.publish_directory(tmp_path / "two", tmp_path / "final")
    assert (tmp_path / "final" / "file").read_text() == "one"


def test_what_is_discarded_is_whole_or_out_of_sight_at_every_moment(tmp_path: Path) -> None:
    for number in range(1, 30):
        place, trash = tmp_path / f"{number}" / "checkpoint", tmp_path / f"{number}" / ".trash"
        for file in ("a", "b/c"):
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_text(file)
        failing = Nth(number)
        with fileops.watched(failing), suppress(OSError):
            transaction.discard(place, trash)
        if place.exists():
            assert sorted(path.name for path in place.rglob("*")) == ["a", "b", "c"]
            transaction.discard(place, trash)
        assert not place.exists()
        if failing.count < number:
            break
    assert 8 < number < 29


def test_what_an_earlier_deletion_left_is_not_in_the_way(tmp_path: Path) -> None:
    for place in (tmp_path / "checkpoint", tmp_path / ".trash" / "checkpoint"):
        place.mkdir(parents=True)
        (place / "file").write_text("x")
    transaction.discard(tmp_path / "checkpoint", tmp_path / ".trash")
    assert [path.name for path in tmp_path.rglob("*")] == [".trash"]


def test_too_little_space_is_told_in_megabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(0, 0, 7_000_000))
    transaction.require_space(tmp_path, 2_800_000)
    with pytest.raises(DiskFault, match=r"7\.2 MB are needed, 7\.0 MB are free"):
        transaction.require_space(tmp_path, 3_000_000)


@pytest.mark.parametrize(
    ("number", "cause"),
    [(errno.ENOSPC, "no space left to save"), (errno.EDQUOT, "no space left to save"),
     (errno.EIO, "can not be written: Input/output error"), (errno.EROFS, "can not be written: Read-only")],
)  # fmt: skip
def test_what_the_system_says_is_told_with_what_is_safe(tmp_path: Path, number: int, cause: str) -> None:
    with pytest.raises(DiskFault, match=cause) as caught, transaction.told_as_disk_fault(tmp_path):
        raise refusal(number)
    assert "earlier checkpoints are intact" in caught.value.remedy
