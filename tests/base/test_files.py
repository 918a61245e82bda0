"""A file is either the old one or the new one."""

from pathlib import Path

import pytest

from holdfast.base import files


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "value.json"
    files.write_json(target, {"step": 1})
    with pytest.raises(RuntimeError), files.atomic_writer(target) as file:  # noqa: PT012 - the block is what is tested
        file.write(b"half of it")
        raise RuntimeError
    assert files.read_json(target) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


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
