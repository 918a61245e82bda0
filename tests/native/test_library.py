"""Compiling, and doing without."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from holdfast.native import library, ops
from holdfast.native.library import COMPILERS, Unavailable, compiled

there_is_one = pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C compiler")


@there_is_one
def test_compiled_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path)
    (made,) = tmp_path.iterdir()
    monkeypatch.setattr(library, "_compile", lambda *_: pytest.fail("compiled twice"))
    compiled(tmp_path)
    assert list(tmp_path.iterdir()) == [made]


@there_is_one
def test_a_changed_source_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(tmp_path / "made")
    changed = tmp_path / "kernels.c"
    changed.write_bytes(library.SOURCE.read_bytes() + b"\n")
    monkeypatch.setattr(library, "SOURCE", changed)
    compiled(tmp_path / "made")
    assert len(list((tmp_path / "made").iterdir())) == 2


@there_is_one
def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    compiled(tmp_path / "sound")
    (made,) = (tmp_path / "sound").iterdir()
    damaged = tmp_path / "damaged" / made.name
    damaged.parent.mkdir()
    damaged.write_bytes(made.read_bytes()[:100])
    compiled(damaged.parent)
    assert damaged.stat().st_size == made.stat().st_size


def test_no_compiler_is_a_reason_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="no C compiler"):
        compiled(tmp_path)
    assert ops.load(tmp_path) == "no C compiler is installed"
    assert ops.in_use() == "torch"


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'no such thing as -march=native' >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert "no such thing as -march=native" in str(ops.load(tmp_path / "made"))


@there_is_one
def test_a_folder_that_can_not_be_written_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in str(ops.load(tmp_path / "file" / "made"))
