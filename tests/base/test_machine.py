"""Control groups, as the kernel shows them: made of files here."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from holdfast.base.machine import cores, memory

GB = 1 << 30


def system(root: Path, groups: str, **files: str) -> Path:
    """A machine whose /proc/self/cgroup says `groups`; files: name -> content, below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups, "ascii")
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n", "ascii")
    return root


@pytest.fixture(autouse=True)
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    class Machine:
        total, available = 64 * GB, 50 * GB

    monkeypatch.setattr(psutil, "virtual_memory", Machine)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(16)), raising=False)


def test_without_groups_the_machine_counts(tmp_path: Path) -> None:
    assert memory(tmp_path) == (64 * GB, 50 * GB)
    assert cores(tmp_path) == 16


def test_version_2(tmp_path: Path) -> None:
    limited = {
        "job/step/memory.max": str(8 * GB),
        "job/step/memory.current": str(5 * GB),
        "job/step/memory.stat": f"anon 1\ninactive_file {2 * GB}\nactive_file 7",
        "job/step/cpu.max": "250000 100000",
    }
    root = system(tmp_path, "0::/job/step\n", **limited)
    assert memory(root) == (8 * GB, 5 * GB), "8 GB less the 3 that are not pages of files"
    assert cores(root) == 3, "two and a half"


def test_an_outer_group_may_be_narrower(tmp_path: Path) -> None:
    files = {
        "job/memory.max": str(4 * GB),
        "job/memory.current": str(1 * GB),
        "job/step/memory.max": "max",
        "job/cpu.max": "100000 100000",
        "job/step/cpu.max": "max 100000",
    }
    root = system(tmp_path, "0::/job/step\n", **files)
    assert memory(root) == (4 * GB, 3 * GB)
    assert cores(root) == 1


def test_version_1_inside_a_container_that_does_not_see_its_path(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": str(2 * GB),
        "memory/memory.usage_in_bytes": str(1 * GB),
        "memory/memory.stat": f"cache 5\ntotal_inactive_file {GB // 2}",
        "cpu/cpu.cfs_quota_us": "400000",
        "cpu/cpu.cfs_period_us": "100000",
    }
    root = system(tmp_path, "4:memory:/docker/0123\n2:cpu:/docker/0123\n0::/\n", **files)
    assert memory(root) == (2 * GB, 2 * GB - GB // 2)
    assert cores(root) == 4


def test_version_1_without_limits(tmp_path: Path) -> None:
    files = {"memory/memory.limit_in_bytes": "9223372036854771712", "cpu/cpu.cfs_quota_us": "-1"}
    root = system(tmp_path, "4:memory:/\n2:cpu,cpuacct:/\n", **files)
    assert memory(root) == (64 * GB, 50 * GB)
    assert cores(root) == 16


@pytest.mark.parametrize("rubbish", ["", "rubbish", "0", "::", "0::../../etc", "4:memory\n0"])
def test_rubbish_limits_nothing(tmp_path: Path, rubbish: str) -> None:
    root = system(tmp_path, rubbish, **{"memory.max": "-5", "cpu.max": "many", "cpu/cpu.cfs_quota_us": "x"})
    assert memory(root) == (64 * GB, 50 * GB)
    assert cores(root) == 16
