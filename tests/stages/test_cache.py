"""What is kept for other runs: found by what it was made of, verified, shared, and thrown away in order."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from holdfast.disk import fileops, parts
from holdfast.stages.cache import Cache
from holdfast.stages.resuming.changes import words
from holdfast.stages.stage import RECORD, Wanted

FILES = {"train/00000.bin": b"ids" * 1000, "train/manifest.json": b"{}", "val/00000.bin": b"other"}


def wanted(**settings: Any) -> Wanted:
    return Wanted({"vocab_size": 512, "kind": "bpe"} | settings, {"corpus": "c1"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stage's folder with its outputs and its record."""
    return filled(tmp_path / "run" / "tokens")


def filled(folder: Path) -> Path:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / RECORD).write_text("{}", "utf-8")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_kept_comes_back_with_its_facts_and_takes_no_room_of_its_own(tmp_path: Path, folder: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.keep("tokens", wanted(), folder, {"fingerprint": "t1"})
    other = tmp_path / "other"
    (other / "half").mkdir(parents=True)
    (other / "half" / "done.bin").write_bytes(b"from a build that was killed")
    (other / RECORD).write_text("mine", "utf-8")
    assert cache.take("tokens", wanted(), other) == {"fingerprint": "t1"}
    assert files(other) == FILES | {RECORD: b"mine"}
    assert not (other / "half").exists()
    assert (other / "val/00000.bin").samefile(folder / "val/00000.bin")
    fileops.remove_tree(folder)
    assert files(other) == FILES | {RECORD: b"mine"}


def test_other_settings_inputs_and_stages_find_nothing(tmp_path: Path, folder: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.keep("tokens", wanted(), folder, {})
    assert cache.take("tokens", wanted(vocab_size=513), tmp_path / "other") is None
    assert cache.take("tokens", Wanted(wanted().settings, {"corpus": "c2"}), tmp_path / "other") is None
    assert cache.take("tokenizer", wanted(), tmp_path / "other") is None
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", [*FILES, None])
@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_what_is_damaged_is_never_taken_and_does_not_stay(
    tmp_path: Path, folder: Path, name: str | None, how: str
) -> None:
    cache = Cache(tmp_path / "cache")
    cache.keep("tokens", wanted(), folder, {})
    (place,) = (path for path in (cache.folder / "tokens").iterdir() if path.is_dir())
    path = place.with_name(f"{place.name}.json") if name is None else place / name
    data = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes(data[: len(data) // 2] if how == "cut" else bytes([data[0] ^ 4]) + data[1:])
    assert cache.take("tokens", wanted(), tmp_path / "other") is None
    assert cache.entries() == []
    cache.keep("tokens", wanted(), folder, {"again": 1})
    assert cache.take("tokens", wanted(), tmp_path / "other") == {"again": 1}


def test_another_file_system_is_copied_to(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(fileops, "link", refuses)
    cache = Cache(tmp_path / "cache")
    cache.keep("tokens", wanted(), folder, {})
    assert cache.take("tokens", wanted(), tmp_path / "other") == {}
    assert files(tmp_path / "other") == FILES
    assert not (tmp_path / "other/val/00000.bin").samefile(folder / "val/00000.bin")


def test_one_that_was_not_finished_is_none(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path, value: Any) -> None:
        raise KeyboardInterrupt

    cache = Cache(tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(parts, "seal", killed)
        with pytest.raises(KeyboardInterrupt):
            cache.keep("tokens", wanted(), folder, {})
    assert cache.take("tokens", wanted(), tmp_path / "other") is None
    (left,) = (cache.folder / "tokens").iterdir()
    cache.prune(1e9)
    assert left.exists(), "it may be the work of a process that is still at it"
    os.utime(left, (1000, 1000))
    cache.prune(1e9)
    assert not left.exists()
    cache.keep("tokens", wanted(), folder, {})
    assert cache.take("tokens", wanted(), tmp_path / "other") == {}


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, folder: Path) -> None:
    cache = Cache(tmp_path / "cache")
    size = sum(map(len, FILES.values()))
    for number in range(4):
        cache.keep("tokens", wanted(vocab_size=number), folder, {})
        record = cache.folder / "tokens" / f"{wanted(vocab_size=number).fingerprint}.json"
        os.utime(record, (1000 + number, 1000 + number))
    cache.take("tokens", wanted(vocab_size=0), tmp_path / "other")
    assert [entry.settings["vocab_size"] for entry in cache.entries()] == [0, 3, 2, 1]
    assert [entry.settings["vocab_size"] for entry in cache.prune(2 * size)] == [2, 1]
    assert [entry.bytes for entry in cache.entries()] == [size, size]
    cache.prune(0)
    assert cache.entries() == []
    assert list((cache.folder / "tokens").iterdir()) == []


def test_the_nearest_says_how_it_differs(tmp_path: Path, folder: Path) -> None:
    cache = Cache(tmp_path / "cache")
    assert cache.differences("tokens", wanted()) == []
    cache.keep("tokens", Wanted({"vocab_size": 9, "kind": "char"}, {"corpus": "c9"}), folder, {})
    cache.keep("tokens", wanted(vocab_size=4096), folder, {})
    assert words(cache.differences("tokens", wanted())) == "tokens.vocab_size 4096 -> 512 (identity)"
    other_text = Wanted(wanted().settings, {"corpus": "c2"})
    assert [change.setting for change in cache.differences("tokens", other_text)] == [
        "tokens.vocab_size",
        "the result of corpus",
    ]
