"""The disk is full for a while: training goes on, it is told at once, and saving comes back by itself."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode

from . import promises
from .conftest import Bench
from .forkserver import Outcome
from .results import record

pytestmark = pytest.mark.slow

FULL_FROM = 9  # steps; the checkpoints of steps 4, 7 and 8 are on the disk by then
LINES = 16  # of the journal, about one a step: so long is the disk full


def run_on_a_full_disk(
    bench: Bench, run_dir: Path, refused: Path, place: str | None, *, lines: int | None = LINES, then: int = 0
) -> Outcome:
    """A run, with its talk, whose disk is full from a step on. then: a signal that it is sent at that moment."""
    ballast = None if place else str(run_dir.parent / "ballast")
    full = {"place": place, "from_step": FULL_FROM, "lines": lines, "ballast": ballast, "refused": str(refused)}
    words = [word for word in bench.words(run_dir, "--no-plan") if word != "--quiet"]
    return bench.server.run(*words, meddle=("full_disk", full | {"signal": then}))


def alerts(run_dir: Path) -> list[dict[str, Any]]:
    """What the user was told of it, in the order of the journal."""
    events = [each for each in promises.every(run_dir) if each["kind"] == "event"]
    return [each for each in events if each["event"] == "save_failed" or "journal waits" in each.get("text", "")]


def steps_until_told(run_dir: Path, refused: Path) -> int:
    """How many steps were made between the last refusal before the first alert, which ended the save, and the alert."""
    first = alerts(run_dir)[0]["seq"]
    made = [each["step"] for each in promises.every(run_dir) if each["kind"] == "step" and each["seq"] < first]
    return int(made[-1]) - max(step for step in map(int, refused.read_text().split()) if step <= made[-1])


@pytest.mark.parametrize("place", ["/checkpoints/", "/journal/"])
def test_training_goes_on_and_saving_comes_back(bench: Bench, tmp_path: Path, place: str) -> None:
    run_dir, refused = bench.fresh(tmp_path / "run"), tmp_path / "refused"
    outcome = run_on_a_full_disk(bench, run_dir, refused, place)
    assert outcome.code == ExitCode.DONE, bench.server.said()
    assert refused.read_text(), "something was refused"
    assert promises.result(run_dir) == promises.result(bench.unbroken), "the run is the same as on a sound disk"
    assert list(promises.broken(run_dir)) == []
    made = [each["step"] for each in promises.every(run_dir) if each["kind"] == "step" and each["stage"] == "pretrain"]
    assert made == sorted(set(made)), "it went on without a restart"
    said = bench.server.said()
    assert ("the journal waits: " in said) == ("the journal is written again" in said) == (place == "/journal/")
    failed, saved = alerts(run_dir), [each for each in promises.every(run_dir) if each["kind"] == "checkpoint"]
    assert failed
    assert all(each["text"] in said for each in failed), "told on the screen as well"
    assert any(each["seq"] > failed[-1]["seq"] and each["stage"] == "pretrain" for each in saved), "saving came back"
    steps = steps_until_told(run_dir, refused)
    assert steps <= 1
    record(f"full-disk-{place.strip('/')}", {"refused": len(refused.read_text().splitlines()), "alerts": len(failed),
                                             "steps_until_told": steps})  # fmt: skip


@pytest.mark.parametrize("place", ["/checkpoints/", "/journal/"])
def test_where_the_disk_stays_full_the_run_ends_honestly_and_goes_on_later(
    bench: Bench, tmp_path: Path, place: str
) -> None:
    run_dir = bench.fresh(tmp_path / "run")
    outcome = run_on_a_full_disk(bench, run_dir, tmp_path / "refused", place, lines=None)
    assert outcome.code == ExitCode.DISK, bench.server.said()
    assert list(promises.broken(run_dir)) == []
    saved = promises.newest_saved(run_dir)
    assert saved is not None
    assert saved[1] < FULL_FROM, "nothing counts as saved that is not"
    assert bench.server.run(*bench.words(run_dir)).code == 0, bench.server.said()
    assert promises.result(run_dir) == promises.result(bench.unbroken)


def test_asked_to_stop_while_the_disk_is_full(bench: Bench, tmp_path: Path) -> None:
    run_dir = bench.fresh(tmp_path / "run")
    outcome = run_on_a_full_disk(bench, run_dir, tmp_path / "refused", "/checkpoints/", lines=None, then=signal.SIGTERM)
    assert outcome.code == ExitCode.DISK, "stopping saves, so it is not said to be saved"
    assert list(promises.broken(run_dir)) == []
    assert bench.server.run(*bench.words(run_dir)).code == 0, bench.server.said()
    assert promises.result(run_dir) == promises.result(bench.unbroken)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 megabytes, where the machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("mounting a small file system takes rights that are not here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_that_really_is_full_for_a_while(bench: Bench, small_disk: Path, tmp_path: Path) -> None:
    run_dir = bench.fresh(small_disk / "run")
    outcome = run_on_a_full_disk(bench, run_dir, tmp_path / "refused", None)
    assert outcome.code == ExitCode.DONE, bench.server.said()
    assert alerts(run_dir)
    assert list(promises.broken(run_dir)) == []
    assert promises.result(run_dir) == promises.result(bench.unbroken)


def test_killed_on_a_disk_that_really_is_full(bench: Bench, small_disk: Path, tmp_path: Path) -> None:
    run_dir = bench.fresh(small_disk / "run")
    outcome = run_on_a_full_disk(bench, run_dir, tmp_path / "refused", None, lines=None, then=signal.SIGKILL)
    assert outcome.code == -signal.SIGKILL, bench.server.said()
    assert list(promises.broken(run_dir)) == []
    words = bench.words(run_dir, "--no-plan")
    assert bench.server.run(*words).code == ExitCode.DISK, "there is no room to go on, and that is told"
    assert list(promises.broken(run_dir)) == []
    (small_disk / "ballast").unlink()
    assert bench.server.run(*words).code == 0, bench.server.said()
    assert promises.result(run_dir) == promises.result(bench.unbroken)
