"""Many files: several hosts at the same time, each one file after the other, and an account of every one."""

from __future__ import annotations

import errno
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from holdfast.base.faults import DiskFault
from holdfast.text.fetch.client import Client
from holdfast.text.fetch.failures import Failure, Key, read_failures, update_failures
from holdfast.text.fetch.items import BadName, Item, place
from holdfast.text.fetch.manners import Unfetched
from holdfast.text.fetch.settings import FetchSettings
from holdfast.text.fetch.transfer import Fetched, as_it_should_be, transfer

PATIENCE = 3  # files of a host that fail one after the other before it is left for the next call
LEAVE_SECONDS = 3.0  # how long a halt waits for requests under way
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of every item: fetched now, there already, or not there."""

    done: tuple[Fetched, ...] = ()
    kept: tuple[Fetched, ...] = ()
    failed: tuple[Failure, ...] = ()

    @property
    def there(self) -> tuple[Fetched, ...]:
        """All that is there now."""
        return self.kept + self.done


class _Moved(NamedTuple):
    """So many bytes of an item are there."""

    number: int
    bytes: int


class _Ended(NamedTuple):
    number: int
    result: Fetched | Failure
    kept: bool


class _Left(NamedTuple):
    """A thread has nothing to do any more, or could not go on."""

    error: BaseException | None


_Event = _Moved | _Ended | _Left


def fetch_all(
    items: Iterable[Item],
    into: Path,
    client: Client,
    settings: FetchSettings,
    progress: Progress = lambda done, total: None,
    again: bool = False,
) -> Outcome:
    """Bring every item to `into/<source>/<name>`; what is there and as it should be is kept.

    The failures are listed in `into/failures.jsonl`; the next call tries them again, but not those that a server
    refused for good, unless `again`. progress: bytes that are there, of how many where that is known.
    A KeyboardInterrupt, or a halt of the client's clock, ends it within seconds, and the next call goes on.
    Raises DiskFault, Halted.
    """
    work = _Work.sorted_out(list(items), into, {} if again else read_failures(into), int(client.clock.wall()))
    try:
        _run(work, client, settings, progress)
    finally:
        try:
            update_failures(into, work.tried(), work.outcome().failed)
        except OSError as error:
            raise disk_fault(into, error) from error
    return work.outcome()


@dataclass(slots=True)
class _Work:
    """The items, where each one goes, those of one host in a lane, and what became of them."""

    items: list[Item]
    now: int  # seconds since 1970
    places: dict[int, Path] = field(default_factory=dict)
    lanes: dict[str, list[int]] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    ended: dict[int, _Ended] = field(default_factory=dict)

    @classmethod
    def sorted_out(cls, items: list[Item], into: Path, known: dict[Key, Failure], now: int) -> _Work:
        """Who can be tried, and where."""
        work = cls(items, now)
        taken: dict[str, int] = {}
        for number, item in enumerate(items):
            before = known.get((item.source, item.id))
            try:
                path = place(into, item)
            except BadName as error:
                work._refuse(number, str(error))
                continue
            if (other := taken.setdefault(str(path).casefold(), number)) != number:
                if item != items[other]:
                    work._refuse(number, f"{item.name} is the name of {items[other].id} too")
            elif before is not None and before.settled and before.item.url == item.url:
                work.ended[number] = _Ended(number, before, kept=True)
            else:
                work.places[number] = path
                work.lanes.setdefault(urlsplit(item.url).netloc.lower(), []).append(number)
        return work

    def _refuse(self, number: int, why: str) -> None:
        self.ended[number] = _Ended(number, Failure(self.items[number], why, final=True, when=self.now), kept=False)

    def tried(self) -> list[Item]:
        """The items that something is known of now."""
        return [self.items[number] for number in self.ended]

    def outcome(self) -> Outcome:
        """So far, in the order of the items."""
        ended = [self.ended[number] for number in sorted(self.ended)]
        there = [(each.result, each.kept) for each in ended if isinstance(each.result, Fetched)]
        return Outcome(
            tuple(result for result, kept in there if not kept),
            tuple(result for result, kept in there if kept),
            tuple(each.result for each in ended if isinstance(each.result, Failure)),
        )

    def total(self) -> int | None:
        """Bytes of all that is or was to be fetched, None while a size is not known."""
        total = 0
        for number in self.places:
            ended, size = self.ended.get(number), self.items[number].bytes
            size = self.moved.get(number, 0) if ended is not None else size
            if size is None:
                return None
            total += size
        return total


def _run(work: _Work, client: Client, settings: FetchSettings, progress: Progress) -> None:
    """Let threads go through the lanes, and take in what they tell, until all have left."""
    told: queue.Queue[_Event] = queue.Queue()
    waiting: queue.SimpleQueue[Sequence[int]] = queue.SimpleQueue()
    for lane in sorted(work.lanes.values(), key=len, reverse=True):
        waiting.put(lane)
    worker = _Worker(work, client, waiting, told)
    threads = [
        threading.Thread(target=worker.run, daemon=True, name=f"fetch-{number}")
        for number in range(min(settings.hosts, len(work.lanes)))
    ]
    for thread in threads:
        thread.start()
    try:
        _listen(work, told, len(threads), progress)
    except BaseException:
        client.clock.halt()
        for thread in threads:  # one that waits for a silent server is left behind: its part can be continued
            thread.join(LEAVE_SECONDS / len(threads))
        raise


def _listen(work: _Work, told: queue.Queue[_Event], threads: int, progress: Progress) -> None:
    done, total = 0, work.total()
    while threads:
        match told.get():
            case _Moved(number, size):
                done += size - work.moved.get(number, 0)
                work.moved[number] = size
                progress(done, total)
            case _Ended() as ended:
                work.ended[ended.number] = ended
                total = work.total()
            case _Left(error):
                threads -= 1
                if error is not None:
                    raise error


@dataclass(frozen=True, slots=True)
class _Worker:
    """What the threads do: one lane after the other."""

    work: _Work
    client: Client
    waiting: queue.SimpleQueue[Sequence[int]]
    told: queue.Queue[_Event]

    def run(self) -> None:
        """All lanes that nobody else took; whatever goes wrong is told to the thread that waits."""
        try:
            while True:
                try:
                    lane = self.waiting.get_nowait()
                except queue.Empty:
                    break
                self._lane(lane)
        except BaseException as error:  # noqa: BLE001 - not swallowed: the thread that waits raises it
            self.told.put(_Left(error))
        else:
            self.told.put(_Left(None))

    def _lane(self, lane: Sequence[int]) -> None:
        """The files of one host. When several fail in a row, the rest is looked for on this machine only."""
        row = 0
        for number in lane:
            ended = self._kept(number)
            if ended is None and row >= PATIENCE:
                why = f"not tried: {row} files of this host failed one after the other"
                ended = self._failure(number, why, final=False)
            if ended is None:
                ended = self._one(number)
                passing = isinstance(ended.result, Failure) and not ended.result.final
                row = row + 1 if passing else 0
            self.told.put(ended)

    def _kept(self, number: int) -> _Ended | None:
        item, path = self.work.items[number], self.work.places[number]
        self.client.clock.go_on()
        try:
            found = as_it_should_be(item, path)
        except OSError as error:
            return self._failed_here(number, error)
        if found is None:
            return None
        self.told.put(_Moved(number, found.bytes))
        return _Ended(number, found, kept=True)

    def _one(self, number: int) -> _Ended:
        item, path = self.work.items[number], self.work.places[number]
        try:
            found = transfer(item, path, self.client, lambda size: self.told.put(_Moved(number, size)))
        except Unfetched as error:
            return self._failure(number, error.why, final=error.final, status=error.status)
        except OSError as error:
            return self._failed_here(number, error)
        self.told.put(_Moved(number, found.bytes))
        return _Ended(number, found, kept=False)

    def _failure(self, number: int, why: str, *, final: bool, status: int | None = None) -> _Ended:
        failure = Failure(self.work.items[number], why, final, status, int(self.client.clock.wall()))
        return _Ended(number, failure, kept=False)

    def _failed_here(self, number: int, error: OSError) -> _Ended:
        """An error of this machine: of the disk it ends everything, of one name it is about that item."""
        if error.errno in _OF_THE_DISK:
            raise disk_fault(self.work.places[number], error) from error
        why = f"can not be stored as {self.work.items[number].name}: {error.strerror or error}"
        return self._failure(number, why, final=True)


def disk_fault(path: Path, error: OSError) -> DiskFault:
    """The disk took no more."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFault(f"no space left for {path}", "free some disk space and run again: what has come is kept")
    reason = error.strerror or str(error)
    return DiskFault(f"{path} can not be written: {reason}", "check the disk, or set HOLDFAST_CACHE to another folder")
