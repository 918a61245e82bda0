"""The gauges read what the machine says, and not at every step."""

from pathlib import Path

import pytest

from holdfast.journal import gauges
from holdfast.journal.gauges import EVERY_SECONDS, Gauges


def test_memory_and_disk_are_read_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment, asked = 1000.0, []
    monkeypatch.setattr(gauges.time, "monotonic", lambda: moment)

    def gpu() -> float:
        asked.append(moment)
        return 0.999

    reader = Gauges(tmp_path, gpu)
    memory, free = reader.read()
    assert (memory, asked) == (0.999, [1000.0]), "the fuller of the two"
    assert free > 0
    moment += EVERY_SECONDS - 0.1
    reader.read()
    assert len(asked) == 1
    moment += 0.1
    reader.read()
    assert len(asked) == 2
    assert 0 < Gauges(tmp_path).read()[0] < 1
