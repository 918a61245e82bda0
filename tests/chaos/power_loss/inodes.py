"""From operations on paths to changes of inodes: what a file system keeps apart, and may lose apart.

A file or directory is one thing, the entries that lead to it are others. A file that has two names is one file. What
was done to a file by a descriptor goes to that file, whatever its name is by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from .trace import Done, Event, Rotten, Said

ROOT = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a directory leads to another inode, or, with None, to nothing any more. born: the inode is new."""

    inode: int
    name: str
    child: int | None
    born: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes in a file, all of them in one block of the granularity that was asked for."""

    inode: int
    start: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Length:
    """A file's length: at least this much; or, when it is `cut`, exactly this. metadata: not because bytes came."""

    inode: int
    size: int
    cut: bool = False
    metadata: bool = False


Change = Entry | Piece | Length


@dataclass(frozen=True, slots=True)
class Step:
    """What one event changes, in order; or the inode whose changes it pushes to the disk; or damage on the disk."""

    changes: tuple[Change, ...] = ()
    synced: int | None = None
    rotten: Piece | None = None


@dataclass
class Inodes:
    """The names as the running program sees them, and what was ever created under which path."""

    block: int
    names: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    sizes: dict[int, int] = field(default_factory=dict)
    left_over: dict[int, int] = field(default_factory=dict)
    _created: dict[str, int] = field(default_factory=dict)
    _next: int = ROOT + 1

    def steps(self, events: Iterable[Event]) -> list[Step]:
        """One step per event. left_over: file -> the file of the same name before it, whose blocks it may be given."""
        return [self._step(event) for event in events]

    def _step(self, event: Event) -> Step:
        match event:
            case Said():
                return Step()
            case Rotten(path, at, byte):
                return Step(rotten=Piece(self._inode(path), at, bytes([byte])))
            case Done("sync" | "sync_directory", path):
                return Step(synced=self._inode(path))
            case Done("write", path, _, data):
                return Step(tuple(self._written(self._inode(path), data)))
            case Done("allocate" | "truncate", path):
                return Step((self._resized(self._inode(path), event.size, cut=event.kind == "truncate"),))
            case _:
                return Step(tuple(self._renamed(event)))

    def _written(self, file: int, data: bytes) -> Iterator[Change]:
        """Files are written from their start to their end, so a write begins where the last one ended."""
        start, end = self.sizes[file], self.sizes[file] + len(data)
        self.sizes[file] = end
        edges = [start, *range(start - start % self.block + self.block, end, self.block), end]
        for begin, stop in pairwise(edges):
            yield Piece(file, begin, data[begin - start : stop - start])
        yield Length(file, end)

    def _resized(self, file: int, size: int, *, cut: bool) -> Length:
        if cut:
            self.sizes[file] = min(size, self.sizes[file])
        return Length(file, size, cut, metadata=True)

    def _renamed(self, event: Done) -> Iterator[Entry]:
        parent, name = self._place(event.path)
        match event.kind:
            case "create" | "mkdir":
                yield self._enter(parent, name, self._new(event), born=True)
            case "unlink" | "rmdir":
                del self.names[parent][name]
                yield Entry(parent, name, None)
            case "link":
                yield self._enter(*self._place(event.target), self.names[parent][name])
            case _:
                child = self.names[parent].pop(name)
                yield self._enter(*self._place(event.target), child)
                yield Entry(parent, name, None)

    def _enter(self, parent: int, name: str, child: int, *, born: bool = False) -> Entry:
        self.names[parent][name] = child
        return Entry(parent, name, child, born)

    def _new(self, event: Done) -> int:
        inode, self._next = self._next, self._next + 1
        if event.kind == "mkdir":
            self.names[inode] = {}
        else:
            self.sizes[inode] = 0
            name = event.path.rpartition("/")[2]
            named = (file for path, file in self._created.items() if path.rpartition("/")[2] == name)
            earlier = [file for file in named if file in self.sizes]
            if earlier:
                self.left_over[inode] = max(earlier)
        self._created[event.path] = inode
        return inode

    def _place(self, path: str) -> tuple[int, str]:
        folder, _, name = path.rpartition("/")
        return self._inode(folder or "."), name

    def _inode(self, path: str) -> int:
        inode: int | None = ROOT
        if path != ".":
            for name in path.split("/"):
                inode = None if inode is None else self.names.get(inode, {}).get(name)
        return self._created[path] if inode is None else inode
