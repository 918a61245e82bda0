"""A finished part is known by a record that vouches for every bit of it."""

from pathlib import Path

import pytest

from holdfast.disk import parts
from holdfast.disk.files import CHUNK_BYTES

FACTS = {"documents": 3, "names": ["a"]}


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """The record of a part with two files."""
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(bytes(1000))
    parts.finish(tmp_path / "a.json", "m", [tmp_path / "a.bin", tmp_path / "b.bin"], FACTS)
    return tmp_path / "a.json"


def test_a_part_is_found_with_its_facts(part: Path) -> None:
    found = parts.finished(part, "m")
    assert found is not None
    assert FACTS.items() <= found.items()
    assert list(found["files"]) == ["a.bin", "b.bin"]


def test_what_was_made_from_something_else_is_not_finished(part: Path) -> None:
    assert parts.finished(part, "other") is None
    assert parts.finished(part.with_name("nothing.json"), "m") is None


@pytest.mark.parametrize("name", ["a.json", "a.bin", "b.bin"])
def test_every_flipped_bit_is_seen(part: Path, name: str) -> None:
    path = part.with_name(name)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        assert parts.finished(part, "m") is None, f"bit {place % 8} of byte {place}"
    path.write_bytes(whole[:-2])
    assert parts.finished(part, "m") is None
    path.unlink()
    assert parts.finished(part, "m") is None


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"check": 1}', "[" * 100_000])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert parts.finished(tmp_path / "a.json", "m") is None


def test_damage_is_told_and_located(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    data = bytearray(2 * CHUNK_BYTES + 5)
    path.write_bytes(data)
    recorded = parts.contents(path)
    assert parts.damage(path, recorded) is None
    data[CHUNK_BYTES] = 1
    path.write_bytes(data)
    assert parts.damage(path, recorded) == "chunk 1 is not what was written"
    assert parts.damage(path, recorded, only_size=True) is None
    path.write_bytes(data[:9])
    assert parts.damage(path, recorded, only_size=True) == "9 bytes instead of 8,388,613"
    path.unlink()
    assert parts.damage(path, recorded) == "it is missing"


def test_only_our_own_litter_is_removed(tmp_path: Path) -> None:
    for name in ("x-0.txt", "x-1.txt", ".x-0.txt.77.part", "thesis.txt", ".hidden", "notes.part"):
        (tmp_path / name).touch()
    parts.sweep(tmp_path, r"x-\d\.txt", keep={"x-1.txt"})
    assert {path.name for path in tmp_path.iterdir()} == {"x-1.txt", "thesis.txt", ".hidden", "notes.part"}
    parts.sweep(tmp_path / "nowhere")
