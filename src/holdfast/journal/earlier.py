"""How long the latest steps took before this start of the run, read from the end of an earlier start's file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from holdfast.journal.lines import Record, decode

_TAIL = 256 * 1024  # bytes: several hundred steps, read in a few milliseconds however long the journal is


def step_seconds(directory: Path, stage: str, incarnation: int) -> list[float]:
    """Seconds of the steps of `stage` that the newest start before `incarnation` made last, oldest first.

    Empty where there are none. Never raises for what can not be read.
    """
    files = {int(path.stem): path for path in directory.glob("*.jsonl") if path.stem.isdecimal()}
    for number in sorted((each for each in files if each < incarnation), reverse=True):
        steps = [record for record in _tail(files[number]) if record["kind"] == "step" and record.get("stage") == stage]
        if times := [float(step["step_ms"]) / 1000 for step in steps if isinstance(step.get("step_ms"), int | float)]:
            return times
    return []


def _tail(path: Path) -> list[Record]:
    """The sound records at the end of a file."""
    found = []
    with suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        for line in file.read().splitlines(keepends=True):
            with suppress(ValueError):  # the first is half a line, and the last may be torn
                found.append(decode(line))
    return found
