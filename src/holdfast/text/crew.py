"""One function over many items, by several processes, with the results in order as if by one.

The workers are plain processes with a pipe each way. They are started only once there is enough to do, they end by
themselves when the pipe closes, so none outlives a build that was killed, and the number of them changes nothing.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import IO, Any, Generic, NamedTuple, Protocol, Self, TypeVar

from holdfast.base.faults import Fault
from holdfast.base.machine import cores

T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
R = TypeVar("R")

ALONE = 8_000_000  # of size: some tenths of a second of work, for which no process is started
BATCH = 1_000_000  # of size: what is sent to a worker at once
BATCH_ITEMS = 2_000
MOST_WORKERS = 4
_START = "import sys; sys.path[:] = {path!r}; from holdfast.text import crew; crew.serve()"
_REQUESTS = ("SIGINT", "SIGTERM", "SIGUSR1")  # are for the process that asked for the work


class Work(Protocol[T_contra, R_co]):
    """What is done to an item. It travels to the workers by pickle, and items and results do."""

    def __call__(self, item: T_contra, /) -> R_co: ...


def enough() -> int:
    """As many workers as there are processors for, but no more than one process can keep busy by reading."""
    return min(cores(), MOST_WORKERS)


class Crew:
    """Processes that do one work after another; they are started when there is enough to do for the first."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._there: list[_Worker[Any, Any]] = []

    def spread(
        self, work: Work[T, R], items: Iterable[T], size: Callable[[T], int]
    ) -> Generator[tuple[T, R], None, None]:
        """(item, work(item)) of each item, in order. One work at a time.

        size: how much there is to do for an item, in characters of text. A Fault of `work` is raised as a Fault. A
        worker that anything else happens to ends, its account of it on the standard error, and that is a Fault as well.
        """
        waiting = iter(items)
        done = 0
        for item in waiting:
            yield item, work(item)
            done += size(item)
            if self.workers > 1 and done >= ALONE:
                break
        else:
            return
        yield from self._by_several(work, _batches(waiting, size))

    def _by_several(self, work: Work[T, R], batches: Iterator[list[T]]) -> Iterator[tuple[T, R]]:
        """Each batch goes to the worker that has been at it longest: while one reads, the others work."""
        while len(self._there) < self.workers:
            self._there.append(_Worker[Any, Any]())
        for worker in self._there:
            worker.send(work)
        idle = list(self._there)
        busy: deque[tuple[_Worker[T, R], list[T]]] = deque()
        try:
            for batch in batches:
                if idle:
                    worker = idle.pop()
                else:
                    worker, sent = busy.popleft()
                    results = worker.results()
                    worker.send(batch)
                    busy.append((worker, batch))
                    yield from zip(sent, results, strict=True)
                    continue
                worker.send(batch)
                busy.append((worker, batch))
            while busy:
                worker, sent = busy.popleft()
                yield from zip(sent, worker.results(), strict=True)
        except BaseException:  # answers that nobody waits for any more are on their way
            self.end()
            raise

    def end(self) -> None:
        """Let all of them go; one in the middle of its work is not waited for."""
        while self._there:
            self._there.pop().end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.end()


def _batches(items: Iterator[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    batch: list[T] = []
    held = 0
    for item in items:
        batch.append(item)
        held += size(item)
        if held >= BATCH or len(batch) == BATCH_ITEMS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


class _Worker(Generic[T, R]):
    """A process that does the work, as the one that gives it out sees it."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", _START.format(path=sys.path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None, "it is a pipe"
        assert self.process.stdout is not None, "it is a pipe"
        self.to: IO[bytes] = self.process.stdin
        self.back: IO[bytes] = self.process.stdout

    def send(self, what: Work[T, R] | list[T]) -> None:
        try:
            pickle.dump(what, self.to, protocol=pickle.HIGHEST_PROTOCOL)
            self.to.flush()
        except OSError:
            raise self._lost() from None

    def results(self) -> list[R]:
        try:
            answer = pickle.load(self.back)
        except (EOFError, pickle.UnpicklingError, OSError):
            raise self._lost() from None
        if isinstance(answer, _Refusal):
            raise Fault(answer.cause, answer.remedy)
        return answer

    def end(self) -> None:
        """It ends when there is nothing more to read, or in the middle of its work."""
        with suppress(OSError):
            self.to.close()
        self.process.kill()
        self.process.wait()
        self.back.close()

    def _lost(self) -> Fault:
        code = self.process.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return Fault(
            f"a worker process {how}" + (", as when the memory is full" if code == -9 else ""),
            "start again, it goes on behind what is finished; corpus.workers=1 takes the least memory",
        )


class _Refusal(NamedTuple):
    """A Fault of the work, as it travels."""

    cause: str
    remedy: str


def serve() -> None:
    """The worker's side: take a work, then batches, or another work, until the pipe closes."""
    for name in _REQUESTS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    coming, going = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    with suppress(EOFError, BrokenPipeError):
        work: Any = None
        while True:
            given = pickle.load(coming)
            if not isinstance(given, list):
                work = given
                continue
            answer: Any = _answer(work, given)
            pickle.dump(answer, going, protocol=pickle.HIGHEST_PROTOCOL)
            going.flush()


def _answer(work: Work[Any, Any], batch: list[Any]) -> list[Any] | _Refusal:
    try:
        return [work(item) for item in batch]
    except Fault as fault:
        return _Refusal(fault.cause, fault.remedy)
