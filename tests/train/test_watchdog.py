"""The watchdog: finds a hang wherever it is, tells it once, and takes no night's sleep for one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import DiskFault, ExitCode
from holdfast.journal.journal import read
from holdfast.journal.settings import AlarmSettings
from holdfast.train import watchdog
from holdfast.train.watchdog import FEWEST, LEAST_SECONDS, LONG_SECONDS, Beat, watching

SHORT = AlarmSettings(hang_minutes=0.2 / 60)
TICK = 0.02


class Diary:
    """A journal in memory."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.synced = 0

    def record(self, kind: str, **fields: Any) -> None:
        self.records.append({"kind": kind, **fields})

    def sync(self) -> None:
        self.synced += 1

    def watching(self, folder: Path, settings: AlarmSettings = SHORT, **more: Any) -> Any:
        return watching("toy", folder, settings, self.record, self.sync, tick=TICK, **more)


def stuck_here(seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.slow
def test_a_hang_in_a_call_into_c_is_told_once_with_all_stacks_and_told_again_when_it_is_over(tmp_path: Path) -> None:
    diary = Diary()
    with diary.watching(tmp_path) as beat:
        beat("step")
        stuck_here(1.0)
        beat("step")
        time.sleep(5 * TICK)
    raised, over = diary.records
    assert (raised["event"], raised["alarm"], raised["stage"], raised["over"]) == ("alarm", "hang", "toy", False)
    assert "no progress for 0 s in step" in raised["text"]
    assert over["over"]
    assert diary.synced == 2
    (stacks,) = tmp_path.iterdir()
    assert f"{tmp_path.name}/{stacks.name}" in raised["text"]
    assert "in stuck_here" in stacks.read_text()
    assert "in watch" in stacks.read_text(), "all threads"


def test_who_makes_progress_is_left_alone(tmp_path: Path) -> None:
    diary = Diary()
    with diary.watching(tmp_path) as beat:
        for _ in range(40):
            beat("step")
            time.sleep(0.02)
    assert diary.records == []
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_may_take_longer_than_a_step(tmp_path: Path) -> None:
    diary = Diary()
    with diary.watching(tmp_path) as beat:
        beat("evaluate")
        time.sleep(0.6)
    assert diary.records == []


def test_switched_off_nobody_watches(tmp_path: Path) -> None:
    with Diary().watching(tmp_path, AlarmSettings(hang_minutes=None)):
        assert not any(thread.name == "watchdog" for thread in threading.enumerate())


def beaten(monkeypatch: pytest.MonkeyPatch, times: list[float], phase: str) -> Beat:
    """A beat whose phases called `phase` took so long, and that is in one now."""
    clock = [0.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: clock[0])
    beat = Beat()
    for seconds in times:
        beat(phase)
        clock[0] += seconds
    beat(phase)
    return beat


def test_patience_follows_the_slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert beaten(monkeypatch, [1.0] * (FEWEST - 1), "step").patience("auto") == LONG_SECONDS
    assert beaten(monkeypatch, [1.0] * FEWEST, "step").patience("auto") == LEAST_SECONDS
    assert beaten(monkeypatch, [20.0] * FEWEST, "step").patience("auto") == 100.0
    assert beaten(monkeypatch, [20.0] * 400 + [900.0], "step").patience("auto") == 100.0, "the 99th percentile"
    assert beaten(monkeypatch, [20.0] * 400, "step").patience(2.0) == 120.0
    assert beaten(monkeypatch, [1.0], "evaluate").patience("auto") == LONG_SECONDS
    assert beaten(monkeypatch, [300.0], "evaluate").patience("auto") == 1500.0
    assert beaten(monkeypatch, [1.0], "evaluate").patience(20.0) == 1200.0


@pytest.mark.slow
def test_a_disk_that_takes_nothing_does_not_end_the_watch(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    diary = Diary()

    def refuse() -> None:
        raise DiskFault("the disk is full", "free some space")

    gone = tmp_path / "gone"
    with watching("toy", gone, SHORT, diary.record, refuse, tick=TICK) as beat:
        for _ in range(2):
            beat("step")
            stuck_here(0.5)
    assert [record["over"] for record in diary.records] == [False, True, False]
    assert "on standard error" in diary.records[0]["text"]
    assert "in stuck_here" in capfd.readouterr().err


@pytest.mark.slow
def test_the_other_ranks_add_their_stacks_and_judge_nothing(tmp_path: Path) -> None:
    first, other = Diary(), Diary()
    (tmp_path / "hang-20200101-000000-rank0.txt").write_text("of an earlier start")
    with other.watching(tmp_path, rank=1, world_size=2) as beat:
        beat("step")
        time.sleep(0.6)
        assert len(list(tmp_path.iterdir())) == 1, "it waits as long as the first one does"
        with first.watching(tmp_path, world_size=2) as own:
            own("step")
            time.sleep(0.5)
    assert [record["alarm"] for record in first.records] == ["hang"]
    assert other.records == []
    _, mine, theirs = sorted(tmp_path.iterdir())
    assert mine.name.removesuffix("rank0.txt") == theirs.name.removesuffix("rank1.txt")
    assert "rank 1 of 2" in theirs.read_text()
    assert "as the first rank asks" in theirs.read_text()


PROGRAM = """
import re, signal, sys, threading, time
from pathlib import Path
from holdfast.journal.journal import Journal
from holdfast.journal.settings import AlarmSettings
from holdfast.train import watchdog
from holdfast.train.watchdog import watching

journal = Journal.open(Path(sys.argv[1]))
settings = AlarmSettings(hang_minutes=0.5 / 60, on_hang=sys.argv[2])
watchdog.FAREWELL_SECONDS = 1.0
with watching("toy", Path(sys.argv[1]), settings, journal.append, journal.commit, tick=0.05) as beat:
    beat("step")
    print("ready", flush=True)
    BODY
print("ended", flush=True)
"""


def program(body: str, folder: Path, on_hang: str = "exit") -> subprocess.Popen[str]:
    """A process of its own that is watched while it does `body`."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("BODY", body), str(folder), on_hang],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


@pytest.mark.slow
def test_asked_to_it_ends_the_process_and_the_journal_knows(tmp_path: Path) -> None:
    process = program("time.sleep(60)", tmp_path)
    process.communicate(timeout=30)
    assert process.returncode == ExitCode.STOPPED
    (record,) = read(tmp_path)
    assert record["alarm"] == "hang"
    assert "can be started again" in record["text"]
    assert len(list(tmp_path.glob("hang-*-rank0.txt"))) == 1


@pytest.mark.slow
def test_a_journal_that_is_what_hangs_does_not_keep_it(tmp_path: Path) -> None:
    process = program("journal._lock.acquire(); time.sleep(60)", tmp_path)
    process.communicate(timeout=30)
    assert process.returncode == ExitCode.STOPPED
    assert list(read(tmp_path)) == []
    assert len(list(tmp_path.glob("hang-*-rank0.txt"))) == 1


@pytest.mark.slow
def test_a_process_that_was_stopped_and_goes_on_did_not_hang(tmp_path: Path) -> None:
    process = program("[(beat('step'), time.sleep(0.1)) for _ in range(15)]", tmp_path)
    time.sleep(0.3)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "ended\n")
    assert list(read(tmp_path)) == []


@pytest.mark.slow
def test_code_that_lets_no_thread_run_has_its_stacks_on_standard_error(tmp_path: Path) -> None:
    body = "watchdog.LEAST_SECONDS = 0.2; time.sleep(0.3); beat('step'); re.match('(a+)+b', 'a' * 200)"
    process = program(body, tmp_path, "log")
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("Timeout")
    while said and "in match" not in said:
        said = process.stderr.readline()
    process.kill()
    process.communicate()
    assert "in match" in said
