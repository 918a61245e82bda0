"""Whether everything that a recipe needs is on this machine and whole: all of it opened and gone through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from holdfast.base.faults import DataFault, Fault
from holdfast.base.machine import cores
from holdfast.stages.recipe import Recipe
from holdfast.stages.supplies.needs import Expected, Lack, Need, misses, needs
from holdfast.text.look import Look, look
from holdfast.text.rejection import Unreadable

MOST_THREADS = 8  # hashing and unpacking are done by C code that lets other threads run
WEIGHTS = "weights"

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that was looked at. why: what is wrong with it, None when nothing is. look: None of a quick look."""

    file: Expected
    why: str | None
    look: Look | None


@dataclass(frozen=True, slots=True)
class Checked:
    """A need and its files, as they were found."""

    need: Need
    seen: tuple[Seen, ...]

    @property
    def lacks(self) -> tuple[Lack, ...]:
        """All that is missing or damaged."""
        odd = (
            Lack(f"{self.need.name}: {each.file.name} {each.why}", self.need.remedy) for each in self.seen if each.why
        )
        return (*self.need.lacks, *odd)

    @property
    def bytes(self) -> int:
        """Of all files that are there."""
        return sum(each.look.bytes if each.look else each.file.bytes or 0 for each in self.seen if each.why is None)


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out. quick: only names and sizes were compared, and nothing was opened."""

    checked: tuple[Checked, ...]
    quick: bool

    @property
    def lacks(self) -> list[Lack]:
        """All that is missing or damaged, each with its remedy."""
        return [lack for each in self.checked for lack in each.lacks]

    @property
    def notes(self) -> list[str]:
        """Worth knowing."""
        return [note for each in self.checked for note in (*each.need.notes, *_notes(each, self.quick))]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "ready": not self.lacks,
            "quick": self.quick,
            "problems": [{"what": lack.what, "remedy": lack.remedy} for lack in self.lacks],
            "notes": self.notes,
            "needs": [_plain(each) for each in self.checked],
        }


def verify(recipe: Recipe, quick: bool, progress: Progress) -> Verification:
    """Look at all that `recipe` needs. progress: bytes, of how many. Raises RecipeFault."""
    wanted = needs(recipe)
    total = sum(_size(file) for need in wanted for file in need.files)
    done = 0
    checked = []
    with ThreadPoolExecutor(min(MOST_THREADS, cores())) as threads:
        going = [(need, [(file, threads.submit(_see, file, quick)) for file in need.files]) for need in wanted]
        for need, files in going:
            seen = []
            for file, future in files:
                seen.append(future.result())
                done += _size(file)
                progress(done, total)
            checked.append(Checked(_with_weights(need, quick), tuple(seen)))
    return Verification(tuple(checked), quick)


def _see(file: Expected, quick: bool) -> Seen:
    why = misses(file)
    if why is not None or quick:
        return Seen(file, why, None)
    try:
        found = look(file.path)
    except Unreadable as error:
        return Seen(file, f"is damaged: {f'{error.reason}: {error.detail}' if error.detail else error.reason}", None)
    except OSError as error:
        return Seen(file, f"can not be read: {error.strerror or error}", None)
    except DataFault as fault:
        return Seen(file, f"can not be checked: {fault.cause} ({fault.remedy})", None)
    if file.sha256 not in (None, found.sha256):
        return Seen(file, "is not what it was: its hash is another one", found)
    return Seen(file, None, found)


def _with_weights(need: Need, quick: bool) -> Need:
    """A checkpoint knows itself whether it is whole."""
    if need.kind != WEIGHTS or quick or need.lacks:
        return need
    from holdfast.stages.resuming.choice import checkpoint_at  # brings torch: only where a recipe names weights
    from holdfast.vault.verify import verify as damage

    folder = need.files[0].path.parent
    try:
        checkpoint = checkpoint_at(folder)
        why = "is not there any more" if checkpoint is None else damage(checkpoint)
    except Fault as fault:
        why = fault.cause
    if why is None:
        return need
    return Need(need.kind, need.name, need.files, (Lack(f"{need.name}: {folder}: {why}", need.remedy),), need.remedy)


def _notes(checked: Checked, quick: bool) -> Iterator[str]:
    need = checked.need
    if not need.recorded and checked.seen:
        yield f"{need.name}: nobody recorded what belongs there, so a file that is gone is not missed"
    broken = [each for each in checked.seen if each.look is not None and each.look.broken]
    for each in broken:
        assert each.look is not None, "only those that were looked at"
        yield f"{need.name}: {each.file.name} has {each.look.broken:,} {each.look.unit} that can not be read"


def _size(file: Expected) -> int:
    return file.bytes or 0


def _plain(checked: Checked) -> dict[str, Any]:
    return {
        "kind": checked.need.kind,
        "name": checked.need.name,
        "ready": not checked.lacks,
        "recorded": checked.need.recorded,
        "bytes": checked.bytes,
        "files": [_plain_file(each) for each in checked.seen],
    }


def _plain_file(seen: Seen) -> dict[str, Any]:
    file = {"name": seen.file.name, "path": str(seen.file.path), "ok": seen.why is None, "why": seen.why}
    if seen.look is None:
        return {**file, "bytes": seen.file.bytes}
    counted = {seen.look.unit: seen.look.count} if seen.look.unit else {}
    return {**file, "bytes": seen.look.bytes, "sha256": seen.look.sha256, **counted}
