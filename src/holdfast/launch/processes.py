"""The other processes of a run on this machine: started by the first one, and gone when it is.

They have no terminal and write no file; what one of them says at an end that nobody asked for, the first one tells.
They are in its process group, so a Ctrl-C reaches all, and a signal waits for them to listen.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from holdfast.base.faults import ExitCode, Fault
from holdfast.launch.starting import LOOPBACK, places, start
from holdfast.launch.trial_steps import measure
from holdfast.stages.processes import Division, divide
from holdfast.stages.recipe import Recipe

GOODBYE_SECONDS = 3.0  # for a process to end once it was told to
NOTICE_SECONDS = 1.0  # for the system to tell of the end of a process whose connection is gone


class Others:
    """The processes of a run besides the first one, which hears them on the socket with the number `listens`."""

    def __init__(self, division: Division, listens: int | None = None) -> None:
        self.division = division
        self.listens = listens
        self._started: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []

    def start(self, module: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """One more. Raises OSError."""
        said = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        self._started.append((start(module, words, environment, stderr=said), said))

    def check(self) -> None:
        """Raise Fault when one of them has ended that nobody told to: by a signal, or with something to say."""
        for process, said in self._started:
            if process.poll() is None:
                continue
            said.seek(0)
            words = said.read().decode("utf-8", "replace").strip().splitlines()
            if process.returncode < 0:
                name = signal.Signals(-process.returncode).name
                raise Fault(
                    f"process {process.pid} of this run was ended by {name}",
                    "run the same command again to go on from what is saved; with processes=1 it needs less memory",
                )
            if words:
                raise Fault(
                    f"process {process.pid} of this run has failed: {words[-1].removeprefix('error: ')}",
                    "run the same command again to go on from what is saved",
                )

    def end(self) -> None:
        """Return when all have ended: they were told to, or are made to."""
        deadline = time.monotonic() + GOODBYE_SECONDS
        for process, said in self._started:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            said.close()

    def notice(self) -> None:
        """`check`, when one of them may just have ended."""
        deadline = time.monotonic() + NOTICE_SECONDS
        while any(process.poll() is None for process, _ in self._started) and time.monotonic() < deadline:
            self.check()
            time.sleep(0.02)
        self.check()


@contextmanager
def divided(recipe: Recipe, run_dir: Path) -> Iterator[Others | None]:
    """Divide a run on this machine and start its other processes, as long as the block runs; each finds its place in
    the environment. None where somebody else started all of them. Raises Fault for the end of one that is the cause of
    another."""
    if "WORLD_SIZE" in os.environ:
        yield None
        return
    division = divide(recipe, run_dir, measure)
    if (count := division.processes) == 1:
        yield Others(division)
        return
    with socket.create_server((LOOPBACK, 0)) as server:
        port, others = server.getsockname()[1], Others(division, server.detach())  # closed by whoever listens
    before = dict(os.environ)
    try:
        for rank in range(1, count):
            others.start("holdfast.launch.rank", [str(run_dir)], places(rank, count, division.threads, port))
        os.environ |= places(0, count, division.threads, port)
        yield others
    except Fault as fault:
        if fault.code == ExitCode.FAILED:
            others.notice()
        raise
    finally:
        os.environ.clear()
        os.environ |= before
        others.end()
