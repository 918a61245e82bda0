"""A run directory: one process at a time, and never somebody else's folder."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.base.faults import DiskFault, Fault
from holdfast.stages.recipe import resolve
from holdfast.stages.run import disk_fault, holder, identity, locked, prepare


@pytest.mark.slow  # a real second process
def test_a_second_process_is_told_who_holds_the_run(tmp_path: Path) -> None:
    script = (
        f"from pathlib import Path\nfrom holdfast.stages.run import locked\nwith locked(Path({str(tmp_path)!r})): pass"
    )
    with locked(tmp_path):
        assert (holder(tmp_path) or {})["pid"] > 0
        second = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert "is in use by process" in second.stderr
    assert holder(tmp_path) is None
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_looking_for_a_holder_creates_nothing(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere") is None
    assert not (tmp_path / "nowhere").exists()


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Fault, match="not a run of ours"):
        prepare(tmp_path, resolve("demo"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_identity_is_written_once(tmp_path: Path) -> None:
    prepare(tmp_path, resolve("demo"))
    first = identity(tmp_path)
    prepare(tmp_path, resolve("demo", ["seed=9"]))
    assert identity(tmp_path) == first
    assert "seed: 9" in (tmp_path / "recipe.yaml").read_text()


def test_a_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="holds no run"):
        identity(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_disk_errors_say_what_to_do(number: int) -> None:
    fault = disk_fault(Path("runs/x"), OSError(number, "no"))
    assert isinstance(fault, DiskFault)
    assert fault.remedy
