"""From what a recipe names (folders, files, patterns) to the list of files, each with a name of its own."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import xxhash

from holdfast.base.faults import DataFault
from holdfast.text.read.encoding import printable
from holdfast.text.rejection import Rejected

HASHED_WHOLE_BYTES = 64 << 20  # larger files are known by samples, so that a start does not read a large corpus twice
RUN_MARK = "run.json"  # a folder that holds one is a run: what it wrote is not read again as text
_SAMPLES = 16
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class InputFile:
    """A regular file to read.

    name:  unique among the inputs and the same on every machine: the path below the folder that was named.
    bytes: its size on disk.
    named: True when the file itself was named, so that it is read whatever its suffix.
    """

    name: str
    path: Path
    bytes: int
    named: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files, by name, and what was met that is no file to read."""

    files: tuple[InputFile, ...]
    rejected: tuple[Rejected, ...]

    @property
    def bytes(self) -> int:
        """Size of all files on disk, packed as they are."""
        return sum(file.bytes for file in self.files)


def find_inputs(paths: str | Sequence[str], setting: str = "corpus.path") -> Inputs:
    """Every file below the named folders, the named files, and what the patterns match; each file once, by name.

    Below folders, names that begin with a dot and the folders of runs are passed over; links are followed, and each
    folder is entered once.
    Raises DataFault, naming `setting`, for a path that does not exist, or when there is no file at all.
    """
    given = [paths] if isinstance(paths, str) else list(paths)
    files: dict[Path, InputFile] = {}
    rejected: list[Rejected] = []
    for path in given:
        for found in _find(path, setting):
            if isinstance(found, Rejected):
                rejected.append(found)
            else:
                files.setdefault(_real(found.path), found)
    if not files:
        why = f", only {rejected[0].id}: {rejected[0].why}" if rejected else ""
        raise DataFault(f"there is no file in {', '.join(given) or 'an empty list'}{why}", f"check {setting}")
    return Inputs(tuple(sorted(_unique([*files.values()]))), tuple(rejected))


def files_fingerprint(files: Sequence[InputFile]) -> str:
    """A hash of names and contents. A file above 64 MiB counts with its size and blocks spread evenly over it; one that
    can not be read counts as just that."""
    digest = xxhash.xxh3_128()
    for file in files:
        digest.update(f"{file.name}\0{file.bytes}\0".encode())
        try:
            with open(file.path, "rb") as handle:
                for position in _positions(file.bytes):
                    handle.seek(position)
                    digest.update(handle.read(_BLOCK))
        except OSError as error:
            digest.update(f"unreadable: {error.errno}".encode())
    return digest.hexdigest()


def _positions(size: int) -> Iterator[int]:
    if size <= HASHED_WHOLE_BYTES:
        yield from range(0, size, _BLOCK)
    else:
        last = size - _BLOCK
        yield from (last * number // (_SAMPLES - 1) for number in range(_SAMPLES))


def _find(given: str, setting: str) -> Iterator[InputFile | Rejected]:
    if not given:
        raise DataFault("an empty path names no file", f"check {setting}")
    path = Path(os.path.expanduser(given))  # which leaves ~nobody alone, where pathlib raises
    if os.path.isdir(path):
        yield from _walk(path, path)
    elif os.path.lexists(path):
        yield _entry(path, path.name, named=True)
    elif not glob.has_magic(given):
        raise DataFault(f"{given} does not exist", f"check {setting}, which is relative to the current folder")
    elif matches := sorted(glob.glob(str(path), recursive=True)):
        root = _fixed_part(path)
        for match in map(Path, matches):
            if os.path.isdir(match):
                yield from _walk(match, root)
            else:
                yield _entry(match, _below(match, root), named=True)
    else:
        raise DataFault(f"{given} matches nothing", f"check {setting}, which is relative to the current folder")


def _walk(top: Path, root: Path) -> Iterator[InputFile | Rejected]:
    entered: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            facts = folder.stat()
            if (facts.st_dev, facts.st_ino) in entered:
                continue
            entered.add((facts.st_dev, facts.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Rejected(printable(str(folder)), "unreadable folder", error.strerror or "")
            continue
        if any(entry.name == RUN_MARK for entry in entries):
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            if os.path.isdir(path):
                waiting.append(path)
            else:
                yield _entry(path, _below(path, root), named=False)


def _entry(path: Path, name: str, named: bool) -> InputFile | Rejected:
    try:
        facts = path.stat()
    except OSError as error:
        return Rejected(printable(name), "unreadable file", error.strerror or "")
    if not stat.S_ISREG(facts.st_mode):
        return Rejected(printable(name), "not a regular file")
    return InputFile(printable(name), path, facts.st_size, named)


def _unique(listed: Sequence[InputFile]) -> list[InputFile]:
    """Files of one name, from different folders, are called by their whole paths."""
    names = Counter(file.name for file in listed)
    return [
        file if names[file.name] == 1 else InputFile(printable(str(file.path)), file.path, file.bytes, file.named)
        for file in listed
    ]


def _fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before its first wildcard."""
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _below(path: Path, root: Path) -> str:
    return printable(path.relative_to(root).as_posix())


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
