"""The lookout journals what the alarms say, and is silent where nobody asked for any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.journal.alarms import Watch
from holdfast.journal.gauges import Gauges
from holdfast.journal.settings import AlarmSettings
from holdfast.train.lookout import Lookout

MEASURED = {"step": 1, "saved": 1, "seconds": 0.5, "tokens": 64, "loss": 3.0, "save_seconds": 45.0}


def test_an_alarm_is_an_event_of_its_stage(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []

    def record(kind: str, **fields: Any) -> None:
        records.append({"kind": kind, **fields})

    watch = Watch(AlarmSettings(), "sft", None, 10**8)
    lookout = Lookout(watch=watch, gauges=Gauges(tmp_path, lambda: 0.95))
    for _ in range(3):
        lookout.look(record, "sft", **MEASURED)
    (alarm,) = [each for each in records if each["alarm"] == "memory"]
    text = "sft step 1: 95% of the memory is in use"
    assert alarm == {"kind": "event", "stage": "sft", "event": "alarm", "alarm": "memory", "over": False, "text": text}
    Lookout().look(record, "sft", **MEASURED)
    Lookout().beat("step")
    assert len(records) == 1
