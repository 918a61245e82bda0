"""The journal: append-only records that are the truth of a run, one file per start, numbered through all of them.

    RUN/journal/00003.jsonl     {"seq":812,"time":1760000000.25,"kind":"step","stage":"pretrain",...,"crc":"9a0c41f2"}

A killed process can leave half a line at the end of its file, never elsewhere, because the next start writes a file of
its own. Readers drop such a tail in silence; any other line that does not check is reported and passed over.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.base.faults import DiskFault
from holdfast.base.files import fsync_directory
from holdfast.journal.lines import OWN_FIELDS, Record, decode, encode

_NAME = re.compile(r"\d{5,}\.jsonl")
_LARGEST_LINE = 64 * 1024 * 1024
_TAIL = 256 * 1024
_sync_data = getattr(os, "fdatasync", os.fsync)


class Journal:
    """The journal of a run that is under way. Opened by `Journal.open`, by one process at a time.

    incarnation: which start of the run this is, counted from 1.
    """

    def __init__(self, path: Path, incarnation: int, seq: int) -> None:
        self.path = path
        self.incarnation = incarnation
        self._seq = seq
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._size = 0

    @classmethod
    def open(cls, directory: Path) -> Journal:
        """Begin the file of a new start; `seq` goes on from the last sound line. Raises DiskFault."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            files = _files(directory)
            incarnation = _number(files[-1]) + 1 if files else 1
            last = next((seq for file in reversed(files) if (seq := _last_seq(file)) is not None), -1)
            journal = cls(directory / f"{incarnation:05}.jsonl", incarnation, last + 1)
            fsync_directory(directory)
        except OSError as error:
            raise _disk_fault(directory, error) from error
        return journal

    def append(self, kind: str, **fields: Any) -> Record:
        """Add one record and hand it back. When this returns, it survives the end of this process.

        fields: plain JSON data under names that are not the journal's own (OWN_FIELDS); NaN and infinity are welcome.
        Raises DiskFault when the disk refuses, with the file as it was before.
        """
        if odd := [name for name in fields if name in OWN_FIELDS]:
            raise ValueError(f"a record can not have a field of its own called {odd[0]}")
        record = {"seq": self._seq, "time": time.time(), "kind": kind, **fields}
        line = encode(record)
        try:
            _write_all(self._handle, line)
        except OSError as error:
            with suppress(OSError):  # half a line must not stand before a whole one
                os.ftruncate(self._handle, self._size)
            raise _disk_fault(self.path, error) from error
        self._size += len(line)
        self._seq += 1
        return record

    def commit(self) -> None:
        """Make everything appended so far survive a power loss. Raises DiskFault."""
        try:
            _sync_data(self._handle)
        except OSError as error:
            raise _disk_fault(self.path, error) from error

    def close(self) -> None:
        """End this start's file. Closing twice is harmless."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that could not be used: file, line number from 1 (0: the whole file), and why."""

    file: str
    line: int
    why: str


def read(directory: Path, problems: list[Problem] | None = None) -> Iterator[Record]:
    """Every sound record in a journal's directory, over all starts, in order. Creates nothing, never raises on rubbish.

    problems: filled, as reading goes on, with the lines that were passed over; a torn tail is not one.
    """
    found = [] if problems is None else problems
    expected: int | None = None
    for file in _files(directory):
        for number, record in _records(file, found):
            if expected is not None and record["seq"] != expected:
                found.append(Problem(file.name, number, f"record {expected} should be here, and it is {record['seq']}"))
            expected = record["seq"] + 1
            yield record


def lineage(records: Iterable[Record]) -> list[Record]:
    """The records that survive, in order: one line through the run, as if it had never been interrupted.

    A `resume` event at step s takes back what its stage had journaled with a step after its checkpoint at s was made;
    a `stage_start` event takes back everything of its stage. A step that is done again without either takes back its
    first time. Records without a stage, and those of a stage without a step, are history and survive a resume.
    """
    line: dict[str | None, list[Record]] = {}
    for record in records:
        stage = record.get("stage")
        own = line.setdefault(stage, [])
        if stage is not None:
            event = record.get("event") if record["kind"] == "event" else None
            if event == "stage_start":
                own.clear()
            elif event == "resume" and _has_step(record):
                _take_back(own, record["step"])
            elif record["kind"] == "step" and _has_step(record):
                _take_back_repeated(own, record["step"])
        own.append(record)
    return sorted((record for own in line.values() for record in own), key=lambda record: record["seq"])


def _has_step(record: Record) -> bool:
    return type(record.get("step")) is int


def _take_back(own: list[Record], step: int) -> None:
    """Drop what has a step and came after the checkpoint of `step`, or, if none is known, what has a later step."""
    made = next((place for place in range(len(own) - 1, -1, -1) if _is_checkpoint(own[place], step)), None)
    if made is None:
        own[:] = [record for record in own if not _has_step(record) or record["step"] <= step]
    else:
        own[made + 1 :] = [record for record in own[made + 1 :] if not _has_step(record)]


def _is_checkpoint(record: Record, step: int) -> bool:
    return record["kind"] == "checkpoint" and record.get("step") == step


def _take_back_repeated(own: list[Record], step: int) -> None:
    newest = next((record["step"] for record in reversed(own) if record["kind"] == "step" and _has_step(record)), None)
    if newest is not None and newest >= step:
        own[:] = [record for record in own if not _has_step(record) or record["step"] < step]


def _files(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted((path for path in directory.iterdir() if _NAME.fullmatch(path.name) and path.is_file()), key=_number)


def _number(path: Path) -> int:
    return int(path.stem)


def _records(path: Path, problems: list[Problem]) -> Iterator[tuple[int, Record]]:
    """(line number, record) of the sound lines of one file."""
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LARGEST_LINE), b""), start=1):
                try:
                    yield number, decode(line)
                except ValueError as error:
                    if line.endswith(b"\n") or len(line) == _LARGEST_LINE:
                        problems.append(Problem(path.name, number, str(error)))
    except OSError as error:
        problems.append(Problem(path.name, 0, f"it can not be read: {error.strerror or error}"))


def _last_seq(path: Path) -> int | None:
    """The number of the last sound line, looked for at the end first: a journal can be long."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        for line in reversed(file.read().splitlines(keepends=True)):
            with suppress(ValueError):
                return int(decode(line)["seq"])
    last = None
    for _, record in _records(path, []):
        last = record["seq"]
    return last


def _write_all(handle: int, line: bytes) -> None:
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _disk_fault(path: Path, error: OSError) -> DiskFault:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return DiskFault(f"{path} can not be written: {reason}", "free some disk space or choose another run directory")
