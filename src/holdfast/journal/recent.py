"""The end of a journal, read from behind, as much of it as is asked for: what a question about the latest steps costs
must not grow with the run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from holdfast.journal.journal import TAIL_BYTES, incarnation_of, lineage, read, starts
from holdfast.journal.lines import Record, decode

FARTHER = 4  # times as far back, where it was not enough


def recent(directory: Path, enough: Callable[[list[Record]], bool], since: int = 0) -> list[Record]:
    """The lineage of the newest records, from so far back that `enough` is content with it, or from the beginning.

    It ends as that of the whole journal does. since: number of the start to go back to at most. Never raises for what
    can not be read.
    """
    files = [path for path in starts(directory) if incarnation_of(path) >= since]
    size = TAIL_BYTES
    while True:
        records, whole = _end(files, size)
        if whole:
            return lineage(read(directory, since=since))
        brought_back = any(record.get("event") == "stage_back" for record in records)  # of which the rest lies before
        if not brought_back and enough(line := lineage(records)):
            return line
        size *= FARTHER


def opening(directory: Path, incarnation: int) -> list[Record]:
    """What a start wrote down before its first step: what it resumed from, and under what."""
    first = (record for record in read(directory, since=incarnation))
    return list(takewhile(lambda record: record["kind"] != "step", first))


def _end(files: list[Path], size: int) -> tuple[list[Record], bool]:
    """The sound records in the last `size` bytes of all files, and whether these are all bytes."""
    pieces: list[list[Record]] = []
    for path in reversed(files):
        try:
            with open(path, "rb") as file:
                start = max(0, path.stat().st_size - size)
                size -= path.stat().st_size - start
                file.seek(start)
                pieces.append(_sound(file.read().splitlines(keepends=True)))
        except OSError:
            continue
        if start > 0:
            return [record for piece in reversed(pieces) for record in piece], False
    return [], True


def _sound(lines: list[bytes]) -> list[Record]:
    found: list[Record] = []
    for line in lines:
        with suppress(ValueError):  # the first may be half a line, and the last may be torn
            record = decode(line)
            if not found or record != found[-1]:  # one that a failing disk took twice
                found.append(record)
    return found
