"""What looks after a stage while it trains: the beat that the watchdog listens to, and the alarms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from holdfast.journal.alarms import Facts, Watch
from holdfast.journal.gauges import Gauges
from holdfast.train.watchdog import Beat


@dataclass(frozen=True, slots=True)
class Lookout:
    """Nobody looks unless told. beat: said before everything that takes time.

    watch, gauges: raise the alarms, on the rank that records.
    """

    beat: Beat = field(default_factory=Beat)
    watch: Watch | None = None
    gauges: Gauges | None = None

    def look(self, record: Callable[..., None], stage: str, **measured: Any) -> None:
        """After a step that was applied: journal what is to be told. measured: the Facts that are not on a gauge."""
        if self.watch is None or self.gauges is None:
            return
        memory, disk_free = self.gauges.read()
        for alarm in self.watch.look(Facts(**measured, memory=memory, disk_free=disk_free)):
            record("event", stage=stage, **alarm.fields())
