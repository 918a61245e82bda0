"""A warm process that forks: `holdfast run` starts in milliseconds instead of seconds, so a thousand can be killed.

The server imports everything once and never trains. Each request forks a child that runs the real command line, sends
it signals after so many seconds, and answers how it ended. One thread per pool, from before torch is loaded: a process
whose pools have other threads must not fork.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

LONGEST = 120.0  # seconds; a child that takes longer hangs
GLANCE = 0.001  # seconds between two looks at the child
REQUESTS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # wait until the run listens, as while Python starts
WARM = (
    "holdfast.stages.pipeline",
    "holdfast.journal.sinks.console",
    "holdfast.journal.sinks.tensorboard",
    "tensorboard.compat.proto.event_pb2",
    "tensorboard.plugins.text.metadata",
    "tensorboard.summary.writer.event_file_writer",
    "numpy.ma",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one start ended. code: as the shell tells it, negative for a signal. sent: signals that found it alive."""

    code: int
    sent: int
    seconds: float


class ForkServer:
    """The client's side. Made by `fork_server`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def run(
        self,
        *words: str,
        signals: Sequence[tuple[float, int]] = (),
        faults: str = "",
        meddle: tuple[str, dict[str, Any]] | None = None,
    ) -> Outcome:
        """`holdfast WORDS` in a process of its own, until it ends.

        signals: (seconds after the start, or after the signal before, signal). faults: HOLDFAST_FAULTS.
        meddle:  a function of `meddling` and its arguments, called in the child before anything else.
        """
        self._log.unlink(missing_ok=True)
        request = {"words": words, "signals": [*signals], "faults": faults, "meddle": meddle, "log": str(self._log)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the fork server is gone"
        return Outcome(**json.loads(answer))

    def said(self) -> str:
        """What the last one printed."""
        return self._log.read_text("utf-8", errors="replace") if self._log.exists() else ""


@contextmanager
def fork_server(log: Path) -> Iterator[ForkServer]:
    """A server for the length of the block; what its children print goes to `log`."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield ForkServer(process, log)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """The server's side: one line of JSON asks, one answers, until the input ends."""
    import importlib

    for module in WARM:
        importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
        child = os.fork()
        if child == 0:
            _become_the_run(request)
        code, sent = _accompany(child, request["signals"])
        print(json.dumps({"code": code, "sent": sent, "seconds": time.monotonic() - started}), flush=True)


def _accompany(child: int, signals: Sequence[tuple[float, int]]) -> tuple[int, int]:
    """Send what is due until the child ends; returns (exit code, signals sent)."""
    for sent, (seconds, number) in enumerate(signals):
        if (code := _ended_within(child, seconds)) is not None:
            return code, sent
        os.kill(child, number)
    code = _ended_within(child, LONGEST)
    if code is None:
        os.kill(child, signal.SIGKILL)
        raise TimeoutError(f"a run did not end within {LONGEST:.0f} seconds")
    return code, len(signals)


def _ended_within(child: int, seconds: float) -> int | None:
    until = time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(GLANCE)


def _become_the_run(request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(number, target)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what the server had read ahead is not the child's
        os.environ["HOLDFAST_FAULTS"] = request["faults"]
        if request["meddle"]:
            import meddling

            name, arguments = request["meddle"]
            getattr(meddling, name)(**arguments)
        from holdfast.cli.main import main

        main(request["words"])
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:  # noqa: BLE001 - nothing may climb from the child into the server's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
