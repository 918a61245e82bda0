"""A run directory in use: its lock, its identity, its journal and whoever watches."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch

import holdfast
from holdfast.base.faults import DiskFault, Fault, RecipeFault
from holdfast.disk import fileops, parts
from holdfast.disk.files import fingerprint, write_text
from holdfast.journal.journal import Journal
from holdfast.journal.sinks import Fanout
from holdfast.stages.recipe import Recipe, Resolved, dump
from holdfast.stages.resuming.choice import Choice
from holdfast.train.signals import StopFlag
from holdfast.train.sync import Alone, Gang

LOCK = "lock"
IDENTITY = "run.json"
RECIPE = "recipe.yaml"
JOURNAL = "journal"
_SEAL = "# check: "


class Silence:
    """The journal of a rank that is not the first: it takes everything and keeps nothing."""

    incarnation = None  # of no start of its own: its vaults are open for reading only
    fault = None

    def append(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Nothing is written; the record as it might have been."""
        return {"kind": kind, **fields}

    def commit(self) -> None:
        """Nothing to make durable."""


@dataclass(slots=True)
class Run:
    """What a stage is handed: where it works, what was asked, and where to write down what happens."""

    dir: Path
    recipe: Recipe
    journal: Journal | Silence
    watchers: Fanout
    stop: StopFlag
    quiet: bool
    started: float  # time.monotonic() at which this start of the run began
    waits: bool = False  # the journal, for a disk that takes nothing
    ranks: Alone | Gang = field(default_factory=Alone)  # the processes that train together
    choice: Choice | None = None  # the checkpoint that one stage was asked to go on from

    def record(self, kind: str, **fields: Any) -> None:
        """Append to the journal, then show it to the watchers: the journal is the truth, they are views."""
        self.watchers.take(self.journal.append(kind, **fields))
        if self.waits != (self.journal.fault is not None):  # told once, and once when it is over
            self.waits = not self.waits
            text = (
                f"the journal waits: {self.journal.fault.cause}"
                if self.journal.fault
                else "the journal is written again"
            )
            self.say(text)

    def say(self, text: str, **fields: Any) -> None:
        """Write down, and so show, one line for people."""
        self.record("event", event="note", text=text, **fields)


def prepare(run_dir: Path, resolved: Resolved) -> None:
    """Create the run directory and write its identity and its recipe. Raises DiskFault where it can not be written."""
    try:
        fileops.make_directory(run_dir)
        with suppress(PermissionError):  # an earlier start may have been killed before it did
            fileops.sync_directory(run_dir.parent)
        if not (run_dir / IDENTITY).exists():
            refuse_foreign(run_dir)
            parts.seal(run_dir / IDENTITY, _identity(run_dir, resolved))
        write_text(run_dir / RECIPE, sealed(dump(resolved)))
    except OSError as error:
        raise disk_fault(run_dir, error) from error


def sealed(text: str) -> str:
    """A resolved recipe with a hash of itself in its second line, where a cut-off end does not take it away."""
    head, _, rest = text.partition("\n")
    return f"{head}\n{_SEAL}{fingerprint(rest)}\n{rest}"


def check_recipe(run_dir: Path) -> None:
    """Raise RecipeFault when the run's recipe.yaml is not there, or not what was written. One without a hash passes."""
    try:
        _, _, rest = (run_dir / RECIPE).read_text("utf-8", errors="replace").partition("\n")
    except FileNotFoundError:
        raise RecipeFault(
            f"{run_dir} has no {RECIPE}: its first start was killed, or somebody took it away",
            "give the recipe itself: holdfast run RECIPE --run-dir DIR",
        ) from None
    seal, _, body = rest.partition("\n")
    if seal.startswith(_SEAL) and seal != f"{_SEAL}{fingerprint(body)}":
        raise RecipeFault(
            f"{run_dir / RECIPE} is not what was written there",
            "give the recipe itself: holdfast run RECIPE --run-dir DIR; or delete its second line if you changed it",
        )


def disk_fault(path: Path, error: OSError) -> Fault:
    """An operating system's error on writing, as something a person can act on."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFault(f"no space left for {path}", "free some disk space and run again: nothing saved is lost")
    return DiskFault(f"{path} can not be written: {reason}", "choose another place with --run-dir DIR")


def refuse_foreign(run_dir: Path) -> None:
    """Raise Fault where a folder that is no run holds something."""
    found = sorted(entry.name for entry in run_dir.iterdir() if entry.name != LOCK)
    foreign = [name for name in found if not parts.is_half_written(name)]  # a start that was killed at once
    if foreign:
        raise Fault(
            f"{run_dir} is not empty and not a run of ours (it holds {foreign[0]})",
            "choose an empty or new folder with --run-dir DIR",
        )


def _identity(run_dir: Path, resolved: Resolved) -> dict[str, Any]:
    return {
        "run": run_dir.resolve().name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "recipe": resolved.recipe.name,
        "seed": resolved.recipe.seed,
        "environment": environment(),
    }


def environment() -> dict[str, Any]:
    """Machine and versions, as a report or a benchmark should name them."""
    return {
        "holdfast": holdfast.__version__,
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def git_commit() -> str | None:
    """The commit of the source tree that is running, or None for an installed package."""
    source = Path(__file__).resolve().parents[3]
    if not (source / ".git").exists():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the run directory alone. The operating system frees the lock with the process, however it ends."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        handle = open(run_dir / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 - held open for as long as the lock is
    except OSError as error:
        raise disk_fault(run_dir, error) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = holder(run_dir) or {}
            raise Fault(
                f"{run_dir} is in use by process {owner.get('pid', '?')} on {owner.get('host', '?')}",
                f"wait for it, or stop it with `kill {owner.get('pid', 'PID')}`: it saves before it ends",
            ) from None
        _write_owner(handle)
        yield


def _write_owner(handle: IO[str]) -> None:
    handle.truncate(0)
    handle.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    handle.flush()


def holder(run_dir: Path) -> dict[str, Any] | None:
    """Who holds the run directory now, or None when nobody does. Creates nothing."""
    try:
        with open(run_dir / LOCK, encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _owner(handle)
    except OSError:
        return None
    return None


def _owner(handle: IO[str]) -> dict[str, Any]:
    try:
        owner = json.loads(handle.read())
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def identity(run_dir: Path) -> dict[str, Any]:
    """The run's `run.json`. Raises Fault where there is no run."""
    try:
        return parts.unseal(run_dir / IDENTITY, bare=True)
    except (OSError, ValueError) as error:
        raise Fault(f"{run_dir} holds no run", "give the folder that `holdfast run` printed") from error
