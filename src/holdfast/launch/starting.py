"""Starting processes that belong to this one, and end with it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

from holdfast.base.faults import ExitCode

LOOPBACK = "127.0.0.1"
LATER = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # what a process that was just started hears later
PR_SET_PDEATHSIG = 1  # prctl(2)


def places(rank: int, count: int, threads: int, port: int) -> dict[str, str]:
    """What the environment tells process `rank` of `count`."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": str(threads),
    }


def start(
    module: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """`python -m module PARENT words` with this besides in its environment and, unless said otherwise, no streams. A
    signal that asks it to stop waits until it listens. Raises OSError."""
    command = [sys.executable, "-m", module, str(os.getpid()), *words]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LATER)  # which a new process takes over
    try:
        return subprocess.Popen(
            command, env=os.environ | environment, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(parent: int) -> None:
    """Have this process killed as soon as `parent`, which started it, ends in whatever way. On Linux; elsewhere it
    notices at the next word that does not come."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(ExitCode.FAILED)
