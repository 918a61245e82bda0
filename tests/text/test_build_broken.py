"""A build that is killed, stopped, or loses a worker, wherever that happens: it goes on to the same bytes."""

from functools import partial
from pathlib import Path

import psutil
import pytest

from holdfast.base.faults import Fault, Stopped
from holdfast.disk.fileops import watched
from holdfast.text import crew, leakage, meter
from holdfast.text.build import build_corpus
from holdfast.text.settings import CorpusSettings

from ..disk.breaking import WAYS, Mirror, contents, goes_on_wherever_it_is_broken, nothing_goes_past_the_watcher
from .test_build import everything, make


@pytest.fixture
def soon_enough_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are started for a few texts already."""
    monkeypatch.setattr(crew, "ALONE", 500)
    monkeypatch.setattr(crew, "BATCH", 900)


def test_nothing_goes_past_the_watcher(library: Path, tmp_path: Path) -> None:
    nothing_goes_past_the_watcher(partial(make, library), tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_wherever_it_is_broken_it_goes_on_behind_the_finished_parts(library: Path, tmp_path: Path, way: str) -> None:
    counted = goes_on_wherever_it_is_broken(partial(make, library), tmp_path / "out", way, 6)
    assert counted["finished_files_kept"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_wherever_it_is_broken_all_that_was_found_is_the_same(shelf: Path, tmp_path: Path, way: str) -> None:
    build = partial(make, shelf, **everything(shelf))
    assert goes_on_wherever_it_is_broken(build, tmp_path / "out", way, 8)["finished_files_kept"] > 20


@pytest.mark.slow
@pytest.mark.usefixtures("soon_enough_to_do")
def test_the_number_of_processes_changes_nothing(shelf: Path, tmp_path: Path) -> None:
    make(shelf, tmp_path / "one", workers=1, **everything(shelf))
    for workers in (1, 2, 3):
        make(shelf, tmp_path / str(workers), workers=workers, **everything(shelf))
        assert contents(tmp_path / str(workers)) == contents(tmp_path / "one")


@pytest.mark.slow
@pytest.mark.usefixtures("soon_enough_to_do")
def test_several_processes_go_on_wherever_they_are_broken(shelf: Path, tmp_path: Path) -> None:
    build = partial(make, shelf, workers=2, **everything(shelf))
    assert goes_on_wherever_it_is_broken(build, tmp_path / "out", "killed", 3)["finished_files_kept"] > 20


def test_it_can_be_asked_to_stop_while_it_looks_for_leaks(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on behind the parts that it has looked through."""
    out, settings = tmp_path / "out", CorpusSettings(path=str(shelf), **everything(shelf))
    monkeypatch.setattr(leakage, "TELL", 1)

    def stopping(done: int, total: int | None) -> None:
        if len(list(out.glob(".looked-*.json"))) == 2:
            raise Stopped("asked to stop", "start again")

    with pytest.raises(Stopped):
        build_corpus(settings, 1, out, stopping)
    looked = {path: path.stat().st_mtime_ns for path in out.glob(".looked-*.json")}
    assert len(looked) == 2
    assert not list(out.glob("train-*"))
    watcher = Mirror()
    with watched(watcher):
        build_corpus(settings, 1, out, lambda done, total: None)
    assert not {path.name for path in looked} & watcher.created
    make(shelf, tmp_path / "unbroken", **everything(shelf))
    assert contents(out) == contents(tmp_path / "unbroken")


@pytest.mark.slow
@pytest.mark.usefixtures("soon_enough_to_do")
def test_a_worker_that_is_killed_stops_the_build_and_costs_only_what_was_begun(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "_STEP_BYTES", 1)
    out, settings = tmp_path / "out", CorpusSettings(path=str(shelf), workers=2, **everything(shelf))
    others = set(psutil.Process().children())  # of other tests, which have nothing to do with this one

    def killing(done: int, total: int | None) -> None:
        if (out / ".gathered-00002.json").exists():
            for child in set(psutil.Process().children()) - others:
                child.kill()

    with pytest.raises(Fault, match="a worker process was killed by signal 9"):
        build_corpus(settings, 1, out, killing)
    assert not set(psutil.Process().children()) - others
    assert goes_on(settings, out) >= 3
    make(shelf, tmp_path / "unbroken", **everything(shelf))
    assert contents(out) == contents(tmp_path / "unbroken")


def goes_on(settings: CorpusSettings, out: Path) -> int:
    """Finish a build; returns how many of its finished parts were taken over as they were."""
    finished = {path.name for path in out.glob(".gathered-*.json")}
    watcher = Mirror()
    with watched(watcher):
        build_corpus(settings, 1, out, lambda done, total: None)
    return len(finished - watcher.created)
