"""The beginning of a file has one holder at a time, and whoever waited for it holds a file that is really there."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from holdfast.text.fetch.clock import Clock, Halted
from holdfast.text.fetch.part import held


@pytest.mark.parametrize("ends", ["drop", "finish"])
def test_who_waited_does_not_write_into_a_file_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr("holdfast.text.fetch.part.WAIT_SECONDS", 0.02)
    final, sizes = tmp_path / "a.txt", []

    def second() -> None:
        with held(final, Clock()) as part:
            sizes.append(part.size)
            with part.writing() as file:
                file.write(b"second")
            part.finish()

    thread = threading.Thread(target=second)
    with held(final, Clock()) as part:
        with part.writing() as file:
            file.write(b"first")
        thread.start()
        thread.join(0.2)
        assert thread.is_alive(), "it waits"
        getattr(part, ends)()
    thread.join(10)
    assert sizes == [0]
    assert final.read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_part_that_went_away_before_it_was_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last holder dropped it between the opening and the lock."""
    real, dropped = fcntl.flock, []

    def late(handle: int, how: int) -> None:
        if not dropped:
            dropped.append(True)
            (tmp_path / ".a.txt.part").unlink()
        real(handle, how)

    monkeypatch.setattr("fcntl.flock", late)
    with held(tmp_path / "a.txt", Clock()) as part:
        with part.writing() as file:
            file.write(b"here")
        part.finish()
    assert (tmp_path / "a.txt").read_bytes() == b"here"


def test_a_halt_ends_the_wait(tmp_path: Path) -> None:
    clock = Clock()
    threading.Timer(0.1, clock.halt).start()
    with held(tmp_path / "a.txt", Clock()), pytest.raises(Halted), held(tmp_path / "a.txt", clock):
        pass
