"""TensorBoard event files, one TensorBoard run per training stage, always a faithful copy of the journal's lineage.

A resumed run does steps again, and an event file can not take anything back. So whenever steps were taken back the
stage's event files are written anew from the journal; there are no duplicates and no gaps, whatever happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.journal.journal import lineage, read
from holdfast.journal.metrics import perplexity
from holdfast.journal.sinks.events import EventFile

FOLDER = "tensorboard"
SCALARS = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "grad_norm": "train/grad_norm",
    "tokens": "train/tokens",
    "tokens_per_second": "speed/tokens_per_second",
    "step_ms": "speed/step_ms",
}

_SHOWN = ("step", "eval", "sample")
_STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_EVENT_FILES = "events.out.tfevents.*"


class TensorBoard:
    """Writes RUN/tensorboard/STAGE/. Reads RUN/journal to begin with, and after each restart of a stage."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._writers: dict[str, EventFile] = {}

    def take(self, record: dict[str, Any]) -> None:
        """Add a step, a score or a sample to its stage's events."""
        stage = record.get("stage")
        if not isinstance(stage, str) or not _STAGE_NAME.fullmatch(stage):
            return
        if record.get("event") in ("resume", "stage_start"):
            self._forget(stage)
        elif _is_shown(record):
            if stage in self._writers:
                _write(self._writers[stage], record)
            else:
                self._rebuild(stage, record)

    def close(self) -> None:
        """Push out what is still waiting."""
        for stage in list(self._writers):
            self._forget(stage)

    def _forget(self, stage: str) -> None:
        if (writer := self._writers.pop(stage, None)) is not None:
            writer.close()

    def _rebuild(self, stage: str, newest: dict[str, Any]) -> None:
        """Replace the stage's event files by what the journal says, `newest` included whether it is there or not."""
        directory = self._run_dir / FOLDER / stage
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob(_EVENT_FILES):
            old.unlink()
        writer = EventFile(directory)
        self._writers[stage] = writer
        for record in self._history(stage, newest["seq"]):
            _write(writer, record)
        _write(writer, newest)

    def _history(self, stage: str, before: int) -> Iterator[dict[str, Any]]:
        for record in lineage(read(self._run_dir / "journal")):
            if record.get("stage") == stage and _is_shown(record) and record["seq"] < before:
                yield record


def _is_shown(record: dict[str, Any]) -> bool:
    return record["kind"] in _SHOWN and type(record.get("step")) is int


def _write(writer: EventFile, record: dict[str, Any]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in _scalars(record)]
    if record["kind"] == "sample":
        values.append(_text(record))
    writer.add(Event(wall_time=record["time"], step=record["step"], summary=Summary(value=values)))


def _scalars(record: dict[str, Any]) -> Iterator[tuple[str, float]]:
    if record["kind"] == "step":
        for field, tag in SCALARS.items():
            if isinstance(value := record.get(field), int | float):
                yield tag, value
        if isinstance(loss := record.get("loss"), int | float):
            yield "train/perplexity", perplexity(loss)
    elif record["kind"] == "eval" and isinstance(value := record.get("value"), int | float):
        of = f"{record['of']}/" if record.get("of") else ""  # a score that one stage measured of another
        yield f"{of}{record.get('name')}/{record.get('metric')}", value


def _text(record: dict[str, Any]) -> Any:
    """A sample under the name of its prompt. Indented, because TensorBoard takes text for markdown."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    prompt = " ".join(str(record.get("prompt", "")).split())
    between = "\n" if record.get("form") == "chat" else ""
    lines = f"{record.get('prompt', '')}{between}{record.get('text', '')}".splitlines()
    text = "\n".join(f"    {line}" for line in lines)
    return Summary.Value(
        tag=f"samples/{prompt[:60]}",
        metadata=create_summary_metadata(display_name="", description=""),
        tensor=TensorProto(dtype=DT_STRING, string_val=[text.encode("utf-8")]),
    )
