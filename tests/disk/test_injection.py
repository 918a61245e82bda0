"""What is asked to go wrong goes wrong there and nowhere else; nothing is asked, nothing happens."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.disk import fileops, injection
from holdfast.disk.injection import FileFaults, Injected

WRITES = """
import sys
from pathlib import Path
from holdfast.disk import fileops, injection
fileops.watch(injection.FileFaults(injection.from_environment()))
for number in range(4):
    with fileops.NewFile(Path(sys.argv[1]) / str(number)) as file:
        file.write(b"0123456789")
"""


def test_the_whole_language() -> None:
    asked = "nan@12, oom-save@2, kill@30,term@1:rank=2,enospc@write:7,torn@write:9:rank=1,crash-after@any:3"
    assert injection.parse(asked) == (
        Injected("nan", 12),
        Injected("oom-save", 2),
        Injected("kill", 30),
        Injected("term", 1, rank=2),
        Injected("enospc", 7, "write"),
        Injected("torn", 9, "write", rank=1),
        Injected("crash-after", 3, "any"),
    )
    assert ",".join(map(str, injection.parse(asked))) == asked.replace(" ", "")
    assert injection.parse("") == injection.parse(" , ") == ()


@pytest.mark.parametrize(
    "word",
    ["nan", "nan@", "nan@write:3", "kill@-1", "kill@3:4", "enospc@7", "enospc@wrote:7", "eio@write", "torn@rename:2",
     "fire@3", "kill@3:rank=x", "kill@3;term@4"],
)  # fmt: skip
def test_what_is_no_fault_is_refused_by_name(word: str) -> None:
    with pytest.raises(RecipeFault, match="is no fault to inject"):
        injection.parse(f"nan@1,{word}")


def test_each_rank_hears_of_its_own_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(injection.VARIABLE, raising=False)
    assert injection.from_environment() == ()
    monkeypatch.setenv(injection.VARIABLE, "kill@3,nan@4:rank=1")
    assert injection.from_environment() == (Injected("kill", 3),)
    assert injection.from_environment(1) == (Injected("nan", 4, rank=1),)
    monkeypatch.setenv(injection.VARIABLE, "lr@3")
    assert injection.from_environment() == injection.from_environment(1) == (Injected("lr", 3),), "else they part"


def test_a_signal_is_sent_after_its_step_only() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    try:
        for step in range(1, 6):
            injection.strike([Injected("usr1", 3), Injected("nan", 2)], step)
            assert len(heard) == (step >= 3)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(("name", "number"), [("enospc", errno.ENOSPC), ("eio", errno.EIO)])
def test_the_nth_operation_fails_as_a_disk_would(tmp_path: Path, name: str, number: int) -> None:
    with fileops.watched(FileFaults([Injected(name, 2, "mkdir")])):
        fileops.mkdir(tmp_path / "first")
        fileops.sync_directory(tmp_path)
        with pytest.raises(OSError, match="second") as refused:
            fileops.mkdir(tmp_path / "second")
        fileops.mkdir(tmp_path / "third")
    assert refused.value.errno == number
    assert sorted(each.name for each in tmp_path.iterdir()) == ["first", "third"]


def test_an_interrupted_operation_is_made_all_the_same(tmp_path: Path) -> None:
    with fileops.watched(FileFaults([Injected("eintr", 1, "write")])), fileops.NewFile(tmp_path / "file") as file:
        file.write(b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_operations_are_counted_for_each_fault_by_itself(tmp_path: Path) -> None:
    failed = []
    with fileops.watched(FileFaults([Injected("enospc", 2, "any"), Injected("eio", 3, "mkdir")])):
        for number in range(1, 5):
            try:
                fileops.mkdir(tmp_path / str(number))
            except OSError as error:
                failed.append((number, error.errno))
    assert failed == [(2, errno.ENOSPC), (3, errno.EIO)]


@pytest.mark.parametrize(
    ("faults", "left"),
    [
        ("crash-before@create:3", {"0": 10, "1": 10}),
        ("crash-after@create:3", {"0": 10, "1": 10, "2": 0}),
        ("crash-before@write:3", {"0": 10, "1": 10, "2": 0}),
        ("torn@write:3", {"0": 10, "1": 10, "2": 5}),
        ("crash-after@write:3", {"0": 10, "1": 10, "2": 10}),
        ("crash-before@any:2", {"0": 0}),
    ],
)
def test_a_crash_leaves_what_the_disk_had_at_that_moment(tmp_path: Path, faults: str, left: dict[str, int]) -> None:
    environment = os.environ | {injection.VARIABLE: faults, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", WRITES, tmp_path], env=environment, stderr=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    assert done.stderr == f"{injection.INJECTED} {faults}\n", "nobody shall take it for a real one"
    assert {each.name: each.stat().st_size for each in tmp_path.iterdir()} == left
