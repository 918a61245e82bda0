"""Several processes give what one gives, in order; what goes wrong in one of them is told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DataFault, Fault
from holdfast.text import crew
from holdfast.text.crew import Crew


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    if number == 30:
        raise DataFault("number 30 can not be used", "leave it out")
    return number


def die(number: int) -> int:
    if number == 30:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def process(number: int) -> int:
    return os.getpid()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "ALONE", 10)
    monkeypatch.setattr(crew, "BATCH", 7)


def one(number: int) -> int:
    return 1


def spread(work: Any, items: Iterable[int], workers: int) -> Iterator[Any]:
    with Crew(workers) as hands:
        yield from hands.spread(work, items, one)


@pytest.mark.parametrize("count", [0, 9, 11, 100])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order(count: int, workers: int) -> None:
    found = list(spread(square, range(count), workers))
    assert found == [(number, number * number) for number in range(count)]


def test_processes_start_only_when_there_is_enough_to_do() -> None:
    used = [pid for _, pid in spread(process, range(60), 2)]
    assert set(used[:10]) == {os.getpid()}
    assert len(set(used[10:]) - {os.getpid()}) == 2
    assert {pid for _, pid in spread(process, range(60), 1)} == {os.getpid()}


@pytest.mark.slow
def test_they_stay_for_the_next_work_unless_the_last_one_was_left_in_the_middle() -> None:
    with Crew(2) as hands:
        first = {pid for _, pid in hands.spread(process, range(60), one)} - {os.getpid()}
        assert list(hands.spread(square, range(60), one)) == [(number, number * number) for number in range(60)]
        assert {pid for _, pid in hands.spread(process, range(60), one)} - {os.getpid()} == first
        left = hands.spread(process, range(60), one)
        for _, pid in left:
            if pid != os.getpid():
                break
        left.close()
        assert not any(map(alive, first))
        assert list(hands.spread(square, range(60), one)) == [(number, number * number) for number in range(60)]
        last = {pid for _, pid in hands.spread(process, range(60), one)} - {os.getpid()}
    assert not any(map(alive, last))


def test_a_fault_of_the_work_is_a_fault_here() -> None:
    with pytest.raises(Fault, match="number 30 can not be used") as caught:
        list(spread(refuse, range(60), 2))
    assert caught.value.remedy == "leave it out"


@pytest.mark.slow
def test_a_worker_that_is_killed_is_a_fault() -> None:
    with pytest.raises(Fault, match="was killed by signal 9, as when the memory is full"):
        list(spread(die, range(60), 2))


@pytest.mark.slow
def test_reading_that_fails_ends_the_workers() -> None:
    def failing() -> Iterator[int]:
        yield from range(50)
        raise DataFault("it can not be read", "try another")

    used: set[int] = set()
    with pytest.raises(DataFault, match="it can not be read"):
        used.update(pid for _, pid in spread(process, failing(), 2))
    assert len(used) == 3
    assert not any(map(alive, used - {os.getpid()}))


@pytest.mark.slow
def test_no_worker_outlives_a_build_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(
        "import itertools, os, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from holdfast.text import crew\n"
        "crew.ALONE = crew.BATCH = 1\n"
        "for n, _ in enumerate(crew.Crew(2).spread(abs, itertools.count(), lambda item: 1)):\n"
        "    if n == 100: print('going', flush=True)\n"
    )
    source = str(Path(crew.__file__).parents[2])
    running = subprocess.Popen([sys.executable, script, source], stdout=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stdout.readline() == b"going\n"
    workers = children(running.pid)
    assert len(workers) == 2
    running.kill()
    running.wait()
    running.stdout.close()
    waited = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < waited:
        time.sleep(0.02)
    assert not any(map(alive, workers))


def children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children()]


def alive(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
