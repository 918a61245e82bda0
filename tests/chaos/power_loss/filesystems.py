"""Two file systems, by what they may have on the disk when the power goes.

Both keep what was synced: of a file its bytes and its length, of a directory its names, nothing else. Both may already
have put down any part of what was not. They differ in how much order is left in that part.

    ordered   Metadata (names, lengths that were asked for) is journaled: what is there is the run's own history up to
              some moment, each operation whole. Bytes lag behind: any of the 4 KiB pages not synced may be missing, and
              read as zeros, and the file may be shorter. A sync takes along the history up to the last change of that
              file's or directory's own metadata. This is ext4 with data=ordered and delayed allocation, without the
              favour it does to those who rename without a sync (auto_da_alloc); XFS and btrfs promise no less.
    weak      No order at all: of the names, lengths and 512-byte sectors that were not synced, any subset. A rename can
              be half there, with both names or with neither. What is missing of a file reads as zeros, or as what the
              file of that name before it held there. No file system in use does all of it; each part of it some did.

The literature that found applications broken by such states: Pillai et al., All File Systems Are Not Created Equal
(ALICE, OSDI 2014), from which the split of operations into such atoms is; Mohan et al., Finding Crash-Consistency Bugs
with Bounded Black-Box Crash Testing (CrashMonkey, OSDI 2018), from which the tie of every promise to a sync is.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import xxhash

from .inodes import ROOT, Change, Entry, Inodes, Length, Piece, Step
from .trace import Event

Tree = dict[str, bytes | None]  # path -> content; None for a directory


@dataclass(frozen=True, slots=True)
class FileSystem:
    """block: bytes that reach the disk together or not at all. journaled: whether metadata keeps its order."""

    name: str
    block: int
    journaled: bool


ORDERED = FileSystem("ordered", 4096, journaled=True)
WEAK = FileSystem("weak", 512, journaled=False)


@dataclass(slots=True)
class _File:
    data: bytearray
    size: int = 0

    def copy(self) -> _File:
        return _File(bytearray(self.data), self.size)

    def change(self, change: Piece | Length) -> None:
        if isinstance(change, Piece):
            self.data.extend(bytes(max(0, change.start - len(self.data))))
            self.data[change.start : change.start + len(change.data)] = change.data
        elif change.cut:
            self.size = change.size
            del self.data[change.size :]
        else:
            self.size = max(self.size, change.size)

    def read(self) -> bytes:
        return bytes(self.data[: self.size]).ljust(self.size, b"\0")


@dataclass(frozen=True, slots=True)
class _Pending:
    """A change that is not on the disk for sure. at: the event it is part of."""

    at: int
    change: Change

    @property
    def in_order(self) -> bool:
        """Whether a journaling file system keeps it in order."""
        return isinstance(self.change, Entry) or (isinstance(self.change, Length) and self.change.metadata)


class Disk:
    """What may be on the disk while `events` take place, moment after moment.

    A state is named by (history, chosen, stale): how many of the pending operations on metadata are there, in order;
    the bits of the other pending changes; and whether holes show what was there before.
    """

    def __init__(self, events: Sequence[Event], system: FileSystem) -> None:
        self.system = system
        inodes = Inodes(system.block)
        self._steps = inodes.steps(events)
        self._folders = inodes.names.keys()
        self._before = inodes.left_over
        self._whole = _contents(self._steps)
        self._now = 0
        self._directories: dict[int, dict[str, int]] = {ROOT: {}}
        self._files: dict[int, _File] = {}
        self._read: dict[int, bytes] = {}
        self._pending: list[_Pending] = []
        self._touched: dict[int, int] = {}

    def states(self, at: int, budget: int, chance: random.Random) -> Iterator[Tree]:
        """What can be found when the power goes after `at` events, each way once, at most `budget` ways of many.

        Moments are asked for in order. Where there are more ways, the two hardest come first: all names and no bytes,
        and nothing. Then in turn one in which a file or directory is behind all others or ahead of them, one in which a
        single change is missing or alone, and one by chance.
        """
        self._advance(at)
        ordered = [each for each in self._pending if self.system.journaled and each.in_order]
        loose = [each for each in self._pending if not (self.system.journaled and each.in_order)]
        moments = [-1, *sorted({each.at for each in ordered})]
        holes = not self.system.journaled and any(isinstance(each.change, Piece) for each in loose)
        for moment, mask, stale in itertools.islice(_ways(len(moments), loose, holes, budget, chance), budget):
            history = [each for each in ordered if each.at <= moments[moment]]
            chosen = [each for bit, each in enumerate(loose) if mask >> bit & 1]
            yield self._tree(sorted(history + chosen, key=lambda each: each.at), stale=stale)

    def everything(self, at: int) -> Tree:
        """What the running program sees after `at` events."""
        self._advance(at)
        return self._tree(self._pending, stale=False)

    def _advance(self, at: int) -> None:
        for now in range(self._now, at):
            step = self._steps[now]
            self._pending.extend(_Pending(now, change) for change in step.changes)
            if step.synced is not None:
                self._sync(step.synced)
            if step.rotten is not None:
                self._make_durable(step.rotten)
            for touched in _touches(step):
                self._touched[touched] = now
        self._now = at

    def _sync(self, inode: int) -> None:
        reach = self._touched.get(inode, -1)
        pending, self._pending = self._pending, []
        for each in pending:
            in_order = self.system.journaled and each.in_order
            if (in_order and each.at <= reach) or (not in_order and each.change.inode == inode):
                self._make_durable(each.change)
            else:
                self._pending.append(each)

    def _make_durable(self, change: Change) -> None:
        if isinstance(change, Entry):
            _enter(self._directories.setdefault(change.inode, {}), change)
        else:
            self._files.setdefault(change.inode, _File(bytearray())).change(change)
            self._read.pop(change.inode, None)

    def _tree(self, pending: Sequence[_Pending], *, stale: bool) -> Tree:
        directories: dict[int, dict[str, int]] = {}
        files: dict[int, _File] = {}
        for each in pending:
            inode = each.change.inode
            if isinstance(each.change, Entry):
                if inode not in directories:
                    directories[inode] = dict(self._directories.get(inode, {}))
                _enter(directories[inode], each.change)
            else:
                if inode not in files:
                    files[inode] = self._begun(inode, stale=stale)
                files[inode].change(each.change)
        return dict(self._walk(ROOT, "", directories, files))

    def _begun(self, inode: int, *, stale: bool) -> _File:
        if inode in self._files:
            return self._files[inode].copy()
        return _File(bytearray(self._whole.get(self._before.get(inode, -1), b"")) if stale else bytearray())

    def _walk(
        self, inode: int, path: str, directories: dict[int, dict[str, int]], files: dict[int, _File]
    ) -> Iterator[tuple[str, bytes | None]]:
        names = directories[inode] if inode in directories else self._directories.get(inode, {})
        for name, child in names.items():
            below = f"{path}/{name}" if path else name
            if child in self._folders:
                yield below, None
                yield from self._walk(child, below, directories, files)
            elif child in files:
                yield below, files[child].read()
            else:
                yield below, self._durable(child)

    def _durable(self, file: int) -> bytes:
        """The content of a file that has nothing pending; read once, so that it is one object in all states."""
        if file not in self._read:
            self._read[file] = self._files[file].read() if file in self._files else b""
        return self._read[file]


def fingerprint(tree: Tree) -> bytes:
    """Equal for equal disks."""
    state = xxhash.xxh3_128()
    for path in sorted(tree):
        content = tree[path]
        state.update(f"{path}\0{-1 if content is None else len(content)}\0".encode())
        state.update(content or b"")
    return state.digest()


def _enter(names: dict[str, int], entry: Entry) -> None:
    if entry.child is None:
        names.pop(entry.name, None)
    else:
        names[entry.name] = entry.child


def _touches(step: Step) -> Iterator[int]:
    """The inodes whose own metadata an event changes; a new name for an old inode is none of its own."""
    for change in step.changes:
        if isinstance(change, Entry):
            yield change.inode
            if change.born and change.child is not None:
                yield change.child
        elif isinstance(change, Length) and change.metadata:
            yield change.inode


def _contents(steps: Sequence[Step]) -> dict[int, bytes]:
    """Every file as it was in the end."""
    files: dict[int, _File] = {}
    for step in steps:
        for change in step.changes:
            if not isinstance(change, Entry):
                files.setdefault(change.inode, _File(bytearray())).change(change)
    return {inode: file.read() for inode, file in files.items()}


def _ways(
    moments: int, loose: Sequence[_Pending], holes: bool, budget: int, chance: random.Random
) -> Iterator[tuple[int, int, bool]]:
    """(history, chosen, stale): all combinations if there are no more than `budget`, else without an end."""
    every, hole = (1 << len(loose)) - 1, (False, True) if holes else (False,)
    if moments * len(hole) << len(loose) <= budget:
        yield from itertools.product(range(moments), range(every + 1), hole)
        return
    names = _bits(loose, lambda each: isinstance(each.change, Entry))
    inodes = sorted({each.change.inode for each in loose})
    whole = [_bits(loose, lambda each, inode=inode: each.change.inode == inode) for inode in inodes]
    one = [1 << bit for bit in range(len(loose))]
    chances = ((chance.randrange(moments), chance.randint(0, every), chance.choice(hole)) for _ in itertools.count())
    mixed = zip(
        itertools.chain(_shuffled(moments, [names, *whole], every, hole, chance), chances),
        itertools.chain(_shuffled(moments, one, every, hole, chance), chances),
        chances,
        strict=True,
    )
    seen = set()
    for way in itertools.chain([(moments - 1, names, holes), (0, 0, False)], itertools.chain.from_iterable(mixed)):
        if way not in seen:
            seen.add(way)
            yield way


def _bits(pending: Sequence[_Pending], which: Callable[[_Pending], bool]) -> int:
    return sum(1 << bit for bit, each in enumerate(pending) if which(each))


def _shuffled(
    moments: int, masks: Sequence[int], every: int, hole: Sequence[bool], chance: random.Random
) -> list[tuple[int, int, bool]]:
    """Each of the masks alone, and all but each of them, at each moment."""
    ways = list(itertools.product(range(moments), [*masks, *(every ^ mask for mask in masks), every, 0], hole))
    chance.shuffle(ways)
    return ways
