"""The watchdog: a thread that notices when training goes on no more, writes down where every thread is, and says so.

    with watching(run_dir / "journal", settings, record, sync) as beat:
        beat("step")        # said before each of these: now comes a step, an evaluation, a save
        beat("evaluate")

Its time passes only as it ticks, and a tick counts for little more than it should have taken. So a laptop that was
closed or a process that was stopped for a night does not count as hung: while it slept, nothing ticked.

Among several ranks the first one judges, for the others wait for it while it evaluates: a rank that is stuck anywhere
keeps the first one from its next step. The others look for the stacks that it leaves in the folder, and add theirs.

Code that never lets another thread of Python run stops this one too. For that case a timer of the interpreter is wound
up again and again, and prints all stacks on standard error when nobody does. It can not tell a night's sleep from a
hang, so it prints and does nothing else.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from holdfast.base.faults import ExitCode, Fault
from holdfast.journal.alarms import Alarm
from holdfast.journal.settings import AlarmSettings

STEP = "step"
TICK = 1.0  # seconds between two looks
LEAST_SECONDS = 30.0  # that are a hang
SLOW_STEPS = 5  # times the 99th percentile of the steps
LONG_SECONDS = 600.0  # for the first steps, which allocate, and for all that is no step
REPEATS = 5  # times the longest of its kind so far that something else than a step may take
FEWEST, WINDOW = 20, 500  # steps to judge from
FAREWELL_SECONDS = 10.0  # for the report of a hang: the disk or the terminal may be what hangs
STACKS = "hang-*.txt"

Record = Callable[..., None]


class Beat:
    """Called by what is watched, with the name of what it is about to do. Costs less than a microsecond.

    phase: what is being done. count: calls so far.
    """

    def __init__(self) -> None:
        self.phase = "start"
        self.count = 0
        self._since = time.monotonic()
        self._steps: deque[float] = deque(maxlen=WINDOW)
        self._longest: dict[str, float] = {}

    def __call__(self, phase: str) -> None:
        """What was done until now is done, and `phase` begins."""
        now = time.monotonic()
        took, self._since = now - self._since, now
        if self.phase == STEP:
            self._steps.append(took)
        else:
            self._longest[self.phase] = max(took, self._longest.get(self.phase, 0.0))
        self.phase = phase
        self.count += 1

    def patience(self, wanted: float | str) -> float:
        """Seconds that what is being done may take. wanted: minutes for a step; "auto": by what steps took so far."""
        if self.phase != STEP:
            fixed = 0.0 if isinstance(wanted, str) else wanted * 60
            return max(LONG_SECONDS, fixed, REPEATS * self._longest.get(self.phase, 0.0))
        if not isinstance(wanted, str):
            return wanted * 60
        times = sorted(self._steps)
        return max(LEAST_SECONDS, SLOW_STEPS * times[-1 - len(times) // 100]) if len(times) >= FEWEST else LONG_SECONDS


@contextmanager
def watching(
    stage: str,
    folder: Path,
    settings: AlarmSettings,
    record: Record,
    sync: Callable[[], None],
    rank: int = 0,
    world_size: int = 1,
    tick: float = TICK,
) -> Iterator[Beat]:
    """A beat that is listened to while the block runs; nobody listens where `hang_minutes` is off.

    folder: where the stacks go, as hang-TIME-rankN.txt. record, sync: append to the journal, make it durable.
    A hang is told once; where `on_hang` is exit this process then ends with STOPPED, whatever its threads do. What came
    after the newest checkpoint is lost, for a state in the middle of a step is none to save.
    """
    beat = Beat()
    if settings.hang_minutes is None:
        yield beat
        return
    watchdog = _Watchdog(beat, stage, folder, settings, record, sync, rank, world_size, tick)
    thread = threading.Thread(target=watchdog.watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        watchdog.ended.set()
        thread.join(FAREWELL_SECONDS)
        faulthandler.cancel_dump_traceback_later()


@dataclass
class _Watchdog:
    beat: Beat
    stage: str
    folder: Path
    settings: AlarmSettings
    record: Record
    sync: Callable[[], None]
    rank: int
    world_size: int
    tick: float
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._known = self._stamps()

    def watch(self) -> None:
        """Look at the beat until the end."""
        before, silent, seen, hung = time.monotonic(), 0.0, -1, False
        wound_up = -LEAST_SECONDS
        while not self.ended.wait(self.tick):
            now = time.monotonic()
            silent += min(now - before, 2 * self.tick)
            before = now
            if self.beat.count != seen:
                if hung:
                    self._tell(Alarm("hang", f"{self.stage}: over: it goes on after {silent:.0f} s", over=True))
                silent, seen, hung = 0.0, self.beat.count, False
            if self.rank > 0:
                self._follow()
            elif not hung and silent >= self._patience():
                hung = True
                self._report(time.strftime("%Y%m%d-%H%M%S"), silent)
            if now - wound_up >= LEAST_SECONDS and self.rank == 0:
                wound_up = now
                faulthandler.dump_traceback_later(self._patience() + 2 * LEAST_SECONDS, file=2)

    def _patience(self) -> float:
        wanted = self.settings.hang_minutes
        assert wanted is not None, "nobody listens where it is off"
        return self.beat.patience(wanted)

    def _follow(self) -> None:
        """Add the stacks of this rank to those that the first one wrote."""
        for stamp in sorted(self._stamps() - self._known):
            self._known.add(stamp)
            self._report(stamp, None)

    def _stamps(self) -> set[str]:
        """When hangs were found, as the first rank's files say."""
        if self.rank == 0:
            return set()
        return {path.name[len("hang-") : -len("-rank0.txt")] for path in self.folder.glob("hang-*-rank0.txt")}

    def _report(self, stamp: str, silent: float | None) -> None:
        """Write the stacks and tell of them, in a thread that can hang in its turn; then do what was asked for."""
        act = partial(self._write_and_tell, stamp, silent, self.beat.phase)
        writer = threading.Thread(target=act, name="watchdog report", daemon=True)
        writer.start()
        writer.join(FAREWELL_SECONDS)
        if self.settings.on_hang == "exit":
            os._exit(ExitCode.STOPPED)

    def _write_and_tell(self, stamp: str, silent: float | None, phase: str) -> None:
        path = self.folder / f"hang-{stamp}-rank{self.rank}.txt"
        why = "as the first rank asks" if silent is None else f"no progress for {silent:.0f} s"
        try:
            with open(path, "w", encoding="utf-8") as file:
                self._write_stacks(file, f"{phase}: {why}")
            where = f"the stacks of all threads are in {path.parent.name}/{path.name}"
        except OSError:
            faulthandler.dump_traceback(file=2)
            where = "the stacks of all threads are on standard error"
        if silent is not None:
            then = "; it ends and can be started again" if self.settings.on_hang == "exit" else ""
            self._tell(Alarm("hang", f"{self.stage}: it hangs: {why} in {phase}; {where}{then}"))

    def _write_stacks(self, file: TextIO, why: str) -> None:
        file.write(f"rank {self.rank} of {self.world_size}, process {os.getpid()}, {why}\n\n")
        file.flush()
        faulthandler.dump_traceback(file)
        file.flush()
        os.fsync(file.fileno())

    def _tell(self, alarm: Alarm) -> None:
        with suppress(Fault):  # a disk that takes nothing is told by others
            self.record("event", stage=self.stage, **alarm.fields())
            self.sync()
