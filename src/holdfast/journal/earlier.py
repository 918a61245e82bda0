"""The latest steps before this start of the run, read from the end of an earlier start's file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from holdfast.journal.journal import incarnation_of, starts, tail
from holdfast.journal.lines import Record


def latest_steps(directory: Path, stage: str, incarnation: int) -> list[Record]:
    """The records of the steps of `stage` that the newest start before `incarnation` made last, oldest first.

    Empty where there are none. Never raises for what can not be read.
    """
    for path in reversed(starts(directory)):
        if incarnation_of(path) < incarnation:
            with suppress(OSError):
                if steps := [each for each in tail(path) if each["kind"] == "step" and each.get("stage") == stage]:
                    return steps
    return []


def step_seconds(directory: Path, stage: str, incarnation: int) -> list[float]:
    """How long each of `latest_steps` took."""
    times = [step.get("step_ms") for step in latest_steps(directory, stage, incarnation)]
    return [float(each) / 1000 for each in times if isinstance(each, int | float)]
