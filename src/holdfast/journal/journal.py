"""The journal: append-only records that are the truth of a run, one file per start, numbered through all of them.

    RUN/journal/00003.jsonl     {"seq":812,"time":1760000000.25,"kind":"step","stage":"pretrain",...,"crc":"9a0c41f2"}

A killed process can leave half a line at the end of its file, never elsewhere, because the next start writes a file of
its own. Readers drop such a tail in silence; any other line that does not check is reported and passed over.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.base.faults import DiskFault
from holdfast.disk import fileops
from holdfast.journal.lines import OWN_FIELDS, Record, decode, encode

_NAME = re.compile(r"\d{5,}\.jsonl")
_LARGEST_LINE = 64 * 1024 * 1024
TAIL_BYTES = 256 * 1024
_MOST_WAITING = 100_000


class Journal:
    """The journal of a run that is under way. Opened by `Journal.open`, by one process at a time.

    While the disk refuses, lines wait in memory and training goes on: `commit`, which comes before every checkpoint,
    does not return before they are on the disk, so no state is ever saved whose history is not.

    incarnation: which start of the run this is, counted from 1.
    fault:       what the disk says, as long as lines wait.
    """

    def __init__(self, path: Path, incarnation: int, seq: int) -> None:
        self.path = path
        self.incarnation = incarnation
        self.fault: DiskFault | None = None
        self._seq = seq
        self._file = fileops.NewFile(path, append=True)
        self._size = 0
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()  # a save in the background commits while the loop appends

    @classmethod
    def open(cls, directory: Path) -> Journal:
        """Begin the file of a new start; `seq` goes on from the last sound line. Raises DiskFault."""
        try:
            fileops.make_directory(directory)
            files = starts(directory)
            incarnation = incarnation_of(files[-1]) + 1 if files else 1
            last = next((seq for file in reversed(files) if (seq := _last_seq(file)) is not None), -1)
            journal = cls(directory / f"{incarnation:05}.jsonl", incarnation, last + 1)
            for place in (directory, directory.parent):  # an earlier start may have been killed before it did
                fileops.sync_directory(place)
        except OSError as error:
            raise _disk_fault(directory, error) from error
        return journal

    def turn(self) -> None:
        """Begin the file of another start within this process: a run that goes back does so under a number of its own.

        Raises DiskFault, also while lines wait.
        """
        self.commit()
        with self._lock:
            path = self.path.with_name(f"{self.incarnation + 1:05}.jsonl")
            try:
                file = fileops.NewFile(path, append=True)
                fileops.sync_directory(path.parent)
            except OSError as error:
                raise _disk_fault(path, error) from error
            self._file.close()
            self.path, self.incarnation, self._file, self._size = path, self.incarnation + 1, file, 0

    def append(self, kind: str, **fields: Any) -> Record:
        """Add one record and hand it back. When this returns, it survives the end of this process, or waits (`fault`).

        fields: plain JSON data under names that are not the journal's own (OWN_FIELDS); NaN and infinity are welcome.
        Raises DiskFault when the disk has refused for so long that memory would run short.
        """
        if odd := [name for name in fields if name in OWN_FIELDS]:
            raise ValueError(f"a record can not have a field of its own called {odd[0]}")
        with self._lock:
            record = {"seq": self._seq, "time": time.time(), "kind": kind, **fields}
            self._waiting.append(encode(record))
            self._seq += 1
            self._write_waiting()
            if self.fault is not None and len(self._waiting) > _MOST_WAITING:
                raise self.fault
        return record

    def commit(self) -> None:
        """Make everything appended so far survive a power loss. Raises DiskFault."""
        with self._lock:
            self._write_waiting()
            if self.fault is not None:
                raise self.fault
        try:
            self._file.sync()  # others may append meanwhile: the disk can take its time
        except OSError as error:
            raise _disk_fault(self.path, error) from error

    def close(self) -> None:
        """End this start's file, with what waits if the disk takes it by now. Closing twice is harmless."""
        with self._lock:
            if not self._file.closed:
                self._write_waiting()
                self._file.close()

    def _write_waiting(self) -> None:
        """Write the lines that wait, whole ones only: half a line must not stand before a whole one."""
        try:
            while self._waiting:
                self._file.write(self._waiting[0])
                self._size += len(self._waiting.pop(0))
            self.fault = None
        except OSError as error:
            self.fault = _disk_fault(self.path, error)
            with suppress(OSError):
                self._file.shorten(self._size)
            self._step_over_rest()

    def _step_over_rest(self) -> None:
        """A half line that could not be cut off is ended by the next write, and readers report it."""
        size = os.fstat(self._file.fileno()).st_size
        if size != self._size:
            self._size = size
            self._waiting[0] = b"\n" + self._waiting[0].lstrip(b"\n")


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that could not be used: file, line number from 1 (0: the whole file), and why."""

    file: str
    line: int
    why: str


def read(directory: Path, problems: list[Problem] | None = None, since: int = 0) -> Iterator[Record]:
    """Every sound record in a journal's directory, over all starts, in order. Creates nothing, never raises on rubbish.

    since:    number of the start to begin with.
    problems: filled, as reading goes on, with the lines that were passed over; a torn tail is not one.
    """
    found = [] if problems is None else problems
    last: Record | None = None
    for file in [file for file in starts(directory) if incarnation_of(file) >= since]:
        for number, record in _records(file, found):
            if record == last:  # written again, because all of its line but the very end had reached the disk
                continue
            first = 0 if since <= 1 else record["seq"]
            if record["seq"] != (wanted := first if last is None else last["seq"] + 1):
                why = f"record {wanted} should be here, and it is {record['seq']}"
                found.append(Problem(file.name, number, why))
            last = record
            yield record


def lineage(records: Iterable[Record]) -> list[Record]:
    """The records that survive, in order: one line through the run, as if it had never been interrupted.

    A `resume` event takes back what its stage had journaled beyond the state that was resumed from; a `stage_start`
    event takes back everything of its stage, until a `stage_back` event with the fingerprint under which that was done
    brings it back. A step that is done again without either takes back its first time. Records without a stage, and
    those of a stage without a step, are history and survive a resume.
    """
    line: dict[str | None, list[Record]] = {}
    shelf: dict[tuple[str, Any], list[Record]] = {}  # what was set aside: (stage, fingerprint) -> its line
    under: dict[str, Any] = {}  # the fingerprint that each stage works under
    for record in records:
        stage = record.get("stage")
        own = line.setdefault(stage, [])
        if stage is not None:
            event = record.get("event") if record["kind"] == "event" else None
            if event in ("stage_start", "stage_back"):
                shelf[stage, under.get(stage)] = own[:]
                own[:] = shelf.pop((stage, record.get("fingerprint")), []) if event == "stage_back" else []
            elif event == "resume" and _has_step(record):
                own[:] = [earlier for earlier in own if not _beyond(earlier, record)]
            elif record["kind"] == "step" and _has_step(record):
                _take_back_repeated(own, record["step"])
            if event in ("stage_start", "stage_continue", "stage_back"):
                under[stage] = record.get("fingerprint")
        own.append(record)
    return sorted((record for own in line.values() for record in own), key=lambda record: record["seq"])


def _has_step(record: Record) -> bool:
    return type(record.get("step")) is int


def _beyond(record: Record, resume: Record) -> bool:
    """Whether `record` tells of something that the state of the `resume` event does not have behind it.

    At the very step of the resume that is a decision about a later batch, and a validation that is to be done again.
    """
    if not _has_step(record):
        return False
    step = resume["step"]
    if record["step"] != step:
        return bool(record["step"] > step)
    if record["kind"] == "decision":
        return bool(record.get("position", -1) >= resume.get("position", float("inf")))
    return record["kind"] in ("eval", "sample") and resume.get("evaluated", step) != step


def _take_back_repeated(own: list[Record], step: int) -> None:
    newest = next((record["step"] for record in reversed(own) if record["kind"] == "step" and _has_step(record)), None)
    if newest is not None and newest >= step:
        own[:] = [record for record in own if not _has_step(record) or record["step"] < step]


def starts(directory: Path) -> list[Path]:
    """The file of every start, in order; empty where there is no journal."""
    if not directory.is_dir():
        return []
    return sorted(
        (path for path in directory.iterdir() if _NAME.fullmatch(path.name) and path.is_file()), key=incarnation_of
    )


def incarnation_of(path: Path) -> int:
    """The number of the start whose file `path` is."""
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


def tail(path: Path) -> list[Record]:
    """The sound records at the end of a start's file: several hundred, read in a few milliseconds however long it is.

    Raises OSError.
    """
    found = []
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        for line in file.read().splitlines(keepends=True):
            with suppress(ValueError):  # the first may be half a line, and the last may be torn
                found.append(decode(line))
    return found


def _last_seq(path: Path) -> int | None:
    """The number of the last sound line, looked for at the end first: a journal can be long."""
    if latest := tail(path):
        return int(latest[-1]["seq"])
    last = None
    for _, record in _records(path, []):
        last = record["seq"]
    return last


def _disk_fault(path: Path, error: OSError) -> DiskFault:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return DiskFault(f"{path} can not be written: {reason}", "free some disk space or choose another run directory")
