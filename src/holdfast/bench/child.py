"""A program watched from outside: how long it takes, and the most memory of all its processes together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import holdfast
from holdfast.base.faults import ExitCode, Fault

HOLDFAST = (sys.executable, "-m", "holdfast")
LOOK_SECONDS = 0.25
PATIENCE = 1800.0  # for a program that was asked to stop: with a million steps behind it that can take long
# What our own command line, or a shell, sets for speed: everybody starts without, and sets by itself what it knows of.
_TUNED = ("GOMP_SPINCOUNT", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_ARENA_MAX")


@dataclass(frozen=True, slots=True)
class Watched:
    """started: seconds since 1970. memory: bytes, shared pages counted once where the system tells (PSS)."""

    started: float
    seconds: float
    memory: int


def plain_environment(**more: str) -> dict[str, str]:
    """This process's environment without what was set for speed."""
    return {name: value for name, value in os.environ.items() if name not in _TUNED} | more


def watch(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, enough: Callable[[], bool] | None = None
) -> Watched:
    """Run a program to its end, or until `enough` says so; then it is asked to stop.

    log: what it prints. Raises Fault when it fails.
    """
    started, began, peak, asked = time.time(), time.perf_counter(), 0, None
    with open(log, "wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=env) as process:
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            if asked is None and enough is not None and enough():
                process.send_signal(signal.SIGTERM)
                asked = time.perf_counter()
            if asked is not None and time.perf_counter() - asked > PATIENCE:
                process.kill()
            time.sleep(LOOK_SECONDS)
    if process.returncode not in (0, ExitCode.STOPPED if asked is not None else 0):
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
        raise Fault(f"`{' '.join(command[1:5])}` failed: {lines[-1] if lines else 'silently'}", f"read {log}")
    return Watched(started, time.perf_counter() - began, peak)


def memory_of(pid: int) -> int:
    """Bytes of a process and all below it; 0 when it is gone."""
    try:
        process = psutil.Process(pid)
        return sum(_memory(each) for each in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0


def _memory(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
        return int(getattr(found, "pss", 0) or found.rss)
    except psutil.Error:
        return 0


@contextmanager
def importable() -> Iterator[str]:
    """A folder that holds this package and nothing else, for the path of another Python. Where we are installed, the
    folder around us holds packages that are not for it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "holdfast").symlink_to(Path(holdfast.__file__).resolve().parent)
        yield folder


def in_fresh_process(
    module: str, config: Mapping[str, Any], folder: Path, python: str = sys.executable
) -> tuple[Watched, list[dict[str, Any]]]:
    """Run `python -m module CONFIG` and return what it wrote, line by line, to the file that the config names as
    `out`. folder: for the config, that file and what it prints."""
    name = module.rpartition(".")[2]
    out, given, log = (folder / f"{name}.{kind}" for kind in ("jsonl", "json", "log"))
    out.unlink(missing_ok=True)
    given.write_text(json.dumps({**config, "out": str(out)}), "utf-8")
    with importable() as path:
        watched = watch([python, "-m", module, str(given)], log, plain_environment(PYTHONPATH=path))
    return watched, [json.loads(line) for line in out.read_text("utf-8").splitlines()]
