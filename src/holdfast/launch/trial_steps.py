"""A few real steps in each way of dividing the cores, to see which is fastest, in processes that are over then.

    python -m holdfast.launch.trial_steps PARENT LISTENS        one of these processes

All ways load what they need at once, then one after the other takes its steps: as many processes at a time as training
would have, with everything that these tell each other at every step.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict

from holdfast.launch.starting import LOOPBACK, end_with, places, start
from holdfast.stages.processes import Question, Speeds

PATIENCE = 90.0  # seconds for all of it


class _Way:
    """Processes that wait for the word to take their steps."""

    def __init__(self, question: Question, processes: int) -> None:
        self.count = processes
        threads = question.cores // processes
        with socket.create_server((LOOPBACK, 0)) as server:
            port = server.getsockname()[1]
            self._processes = [
                start(
                    "holdfast.launch.trial_steps",
                    [str(server.fileno() if rank == 0 else -1)],
                    places(rank, processes, threads, port),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    pass_fds=[server.fileno()] if rank == 0 else [],
                )
                for rank in range(processes)
            ]

    def take(self, question: Question, deadline: float) -> float | None:
        """Tokens per second; None when it did not go well."""
        word = json.dumps(asdict(question)).encode() + b"\n"
        try:
            for process in self._processes:
                assert process.stdin is not None
                process.stdin.write(word)
                process.stdin.flush()
            told, _ = self._processes[0].communicate(timeout=max(0.1, deadline - time.monotonic()))
            return float(told)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None

    def end(self) -> None:
        """However far they are."""
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


def measure(question: Question) -> Speeds:
    """Tokens per second of each number of processes that was asked for; without those that did not work."""
    speeds = {}
    deadline = time.monotonic() + PATIENCE
    with ExitStack() as ways:
        started = []
        for count in question.candidates:
            started.append(_Way(question, count))
            ways.callback(started[-1].end)
        for way in started:
            if (speed := way.take(question, deadline)) is not None:
                speeds[way.count] = speed
            way.end()
    return speeds


def main(parent: str, listens: str) -> None:
    """Load, wait for the question, and answer with one number."""
    end_with(int(parent))
    from holdfast.stages import speed

    question = Question(**json.loads(sys.stdin.readline()))
    print(speed.tokens_per_second(question, int(listens) if int(listens) >= 0 else None))


if __name__ == "__main__":
    main(*sys.argv[1:])
