"""Views of the journal. A sink is anything that takes records and can be closed; none of them can hurt the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

PATIENCE = 3  # failures in a row after which a sink is left alone


class Sink(Protocol):
    """One way to show a run: the console, event files, a service."""

    def take(self, record: dict[str, Any]) -> None:
        """Show one record of the journal, or pass it over. Called in the order of the journal."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Fanout:
    """Hands each record to each sink, and stands between a sink that fails and the run.

    tell: appends to the journal (`Journal.append`), so that a sink that was given up is on record; None: only the
          other sinks hear of it.
    """

    def __init__(self, sinks: Sequence[Sink], tell: Callable[..., dict[str, Any]] | None = None) -> None:
        self._sinks = list(sinks)
        self._failures = dict.fromkeys(map(id, self._sinks), 0)
        self._tell = tell

    def take(self, record: dict[str, Any]) -> None:
        """Hand on one record. Never raises what a sink raises."""
        for sink in list(self._sinks):
            if sink not in self._sinks:  # given up while the others were told of another one
                continue
            try:
                sink.take(record)
                self._failures[id(sink)] = 0
            except Exception as error:  # noqa: BLE001 - the boundary: whatever a view does wrong, training goes on
                self._failed(sink, error)

    def close(self) -> None:
        """Close every sink, also after one of them failed at it."""
        for sink in self._sinks:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - as above
                self._report(sink, error, "could not be ended properly")
        self._sinks = []

    def _failed(self, sink: Sink, error: Exception) -> None:
        self._failures[id(sink)] += 1
        if self._failures[id(sink)] >= PATIENCE:
            self._sinks.remove(sink)
            self._report(sink, error, "failed and is switched off for this start of the run")

    def _report(self, sink: Sink, error: Exception, what: str) -> None:
        name = type(sink).__name__
        text = f"{name} {what}: {type(error).__name__}: {error}"
        record: dict[str, Any] = {"kind": "event", "event": "sink_failed", "sink": name, "text": text}
        if self._tell is not None:
            record = self._tell(**record)
        self.take(record)
