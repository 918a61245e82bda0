"""The power goes at every moment of a run, on two file systems: nothing that was promised is lost.

The run is recorded from the real journal, vault and saving; what the disk may hold then is worked out from what was
synced; and the real readers, and a real start, are let loose on it. `power_loss/promises.py` lists what must hold.
"""

from __future__ import annotations

import errno
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from holdfast.disk.fileops import KINDS

from ..disk.watchers import Killed, refusal
from .memory import folder_in_memory
from .power_loss.explorer import Explored, Explorer
from .power_loss.filesystems import ORDERED, WEAK, Disk, FileSystem
from .power_loss.runs import Scene, broken_run, long_run
from .power_loss.sabotage import BREAKS, Sabotage
from .power_loss.trace import Recorder
from .results import FULL, count, record

pytestmark = pytest.mark.slow

SYSTEMS = {system.name: system for system in (ORDERED, WEAK)}
STATES = count(2_000, 100_000)
STRIDE = count(8, 1)  # of the moments
GO_ON_EVERY = count(4, 1)  # of the different disks
LONG, SHORT = count(6, 30), count(2, 3)  # states per moment, of the long run and of the broken ones
BREAKABLE = KINDS if FULL else ("sync_directory",)  # the operations at which a run is broken; these mattered most
WAYS: dict[str, Callable[[], BaseException]] = {"killed": Killed, "refused": partial(refusal, errno.EIO)}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with folder_in_memory() as folder:
        yield folder


def scene(place: Path, name: str) -> Scene:
    folder = place / name
    folder.mkdir()
    return Scene(folder, Recorder(folder))


@pytest.fixture(scope="module")
def run(place: Path) -> Scene:
    """The long run; nobody changes what was recorded."""
    long = scene(place, "long")
    long_run(long)
    return long


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())
def test_what_was_recorded_is_what_the_disk_holds(run: Scene, system: FileSystem) -> None:
    assert Disk(run.recorder.events, system).everything(len(run.recorder.events)) == content(run.folder)


def broken_runs(place: Path) -> Iterator[Scene]:
    """A short run for each operation of its first start that ends badly, in each way."""
    for way, failure in WAYS.items():
        for number in itertools.count(1):
            run = scene(place, f"{way}{number}")
            if not broken_run(run, number, failure, BREAKABLE):
                break
            yield run
            shutil.rmtree(run.folder)


@pytest.mark.timeout(3600)
def test_no_power_loss_takes_what_was_promised(place: Path, run: Scene) -> None:
    started = time.process_time()
    explorer = Explorer(place, GO_ON_EVERY)
    total = {name: Explored() for name in SYSTEMS}
    for each in itertools.chain([run], broken_runs(place)):
        budget, since = LONG if each is run else SHORT, each.recorder.broken_at
        for name, system in SYSTEMS.items():
            explorer.explore(each, system, budget, since=since, stride=STRIDE, into=total[name])
    figures = {name: explored.figures() for name, explored in total.items()}
    states = sum(explored.states for explored in total.values())
    record("power_loss", {"states": states, **figures, "cpu_seconds": round(time.process_time() - started)})
    broken = [example for explored in total.values() for example in explored.examples]
    assert not broken, "\n".join(broken)
    assert states >= STATES


@pytest.mark.parametrize("sabotage", BREAKS, ids=lambda sabotage: sabotage.__name__)
def test_a_wrong_protocol_is_seen_to_lose(place: Path, run: Scene, sabotage: Sabotage) -> None:
    wrong = replace(run, recorder=Recorder(run.folder, sabotage(run.recorder.events)))
    seen = {name: Explorer(place).explore(wrong, system, 4, stride=STRIDE) for name, system in SYSTEMS.items()}
    record(f"power_loss_{sabotage.__name__}", {name: explored.figures() for name, explored in seen.items()})
    assert {name for name, explored in seen.items() if explored.violations} == BREAKS[sabotage]
