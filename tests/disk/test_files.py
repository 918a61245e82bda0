"""A file is either the old one or the new one."""

import errno
from pathlib import Path

import pytest

from holdfast.disk import fileops, files
from tests.disk.watchers import Killed, Nth, refusal


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "value.json"
    files.write_json(target, {"step": 1})
    with pytest.raises(RuntimeError), files.atomic_writer(target) as file:  # noqa: PT012 - the block is what is tested
        file.write(b"half of it")
        raise RuntimeError
    assert files.read_json(target) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def operations_of_a_write(target: Path) -> Nth:
    counting = Nth()
    with fileops.watched(counting):
        files.write_json(target, {"step": 1})
    return counting


def test_a_new_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_counts(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "value.json"
    assert operations_of_a_write(target).seen == [
        "mkdir", "sync_directory", "mkdir", "sync_directory", "create", "write", "sync", "replace", "sync_directory"
    ]  # fmt: skip
    assert operations_of_a_write(target).seen == ["create", "write", "sync", "replace", "sync_directory"]


@pytest.mark.parametrize("number", range(1, 6))
def test_whatever_operation_fails_the_file_is_the_old_or_the_new_one(tmp_path: Path, number: int) -> None:
    target = tmp_path / "value.json"
    files.write_json(target, {"step": 1})
    for failure in (refusal, lambda: refusal(errno.EIO), Killed):
        with pytest.raises((OSError, Killed)), fileops.watched(Nth(number, failure)):
            files.write_json(target, {"step": 2})
        assert files.read_json(target) == {"step": 2 if number == 5 else 1}
        if failure is not Killed:
            assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]
    files.write_json(target, {"step": 3})  # what the killed one left is not in the way
    assert files.read_json(target) == {"step": 3}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_a_signal_in_the_middle_of_an_operation_changes_nothing(tmp_path: Path) -> None:
    for number in range(1, 6):
        failing = Nth(number, lambda: refusal(errno.EINTR))
        with fileops.watched(failing):
            files.write_json(tmp_path / "value.json", {"step": number})
        assert failing.count == 6
        assert files.read_json(tmp_path / "value.json") == {"step": number}


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": Infinity}', "{"])
def test_json_that_nobody_here_writes_is_refused(tmp_path: Path, text: str) -> None:
    target = tmp_path / "odd.json"
    target.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - the kinds of damage differ, the refusal does not
        files.read_json(target)


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "x.json", {"loss": float("nan")})


def test_chunk_hashes_locate_damage(tmp_path: Path) -> None:
    target = tmp_path / "big.bin"
    data = bytearray(2 * files.CHUNK_BYTES + 10)
    target.write_bytes(data)
    before = files.chunk_hashes(target)
    data[files.CHUNK_BYTES + 5] = 1
    target.write_bytes(data)
    after = files.chunk_hashes(target)
    assert len(before) == 3
    assert [a != b for a, b in zip(before, after, strict=True)] == [False, True, False]


def test_fingerprints_ignore_key_order_and_nothing_else() -> None:
    assert files.fingerprint({"a": 1, "b": [1, 2]}) == files.fingerprint({"b": [1, 2], "a": 1})
    assert files.fingerprint({"a": [1, 2]}) != files.fingerprint({"a": [2, 1]})
