"""What is remembered of every document while the corpus is made: 72 bytes each, never the text."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from holdfast.base.records import Document
from holdfast.text import split
from holdfast.text.dedup.exact import count_words, digest
from holdfast.text.rejection import Rejected

MOST_REJECTED = 10_000  # listed one by one; all are counted
UNKNOWN = "unknown"
SAID = 1  # the lowest bit of a work that the meta name as such; one put together from author and title is even
_ENTRY = 9  # words of 64 bits
_MOST_NAMES = 10_000
_OTHERS = "(others)"
_LONGEST_NAME = 100
_YEAR = re.compile(r"\b(1\d{3}|20\d{2}|[5-9]\d{2})\b")


@dataclass(slots=True)
class Tally:
    """How much text there is. `bytes` are UTF-8, `words` are separated by white space."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    words: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def plain(self) -> dict[str, int]:
        """As JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is remembered of one document.

    key:     its place in the order of holding out.
    digest:  of its normalised text, in two words.
    counts:  characters, bytes and words.
    work:    equal for editions of one work, as far as their meta say so; 0 where nothing is said.
    year:    when it was printed, 0 where nothing is said.
    """

    key: int
    digest: tuple[int, int]
    counts: tuple[int, int, int]
    work: int
    year: int
    source: str
    licence: str


def entry(seed: int, document: Document) -> Entry:
    """The entry of a document."""
    return Entry(
        split.key(seed, document.id),
        digest(document.text),
        measure(document.text),
        work_of(document.meta),
        year_of(document.meta),
        source_of(document),
        str(document.meta.get("licence") or UNKNOWN)[:_LONGEST_NAME],
    )


class Names:
    """Names as numbers, in the order in which they are met; those beyond the ten thousandth share one."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def number(self, name: str) -> int:
        """The number of a name."""
        if name not in self.numbers and len(self.numbers) >= _MOST_NAMES:
            name = _OTHERS
        return self.numbers.setdefault(name, len(self.numbers))


class Ledger:
    """One entry for each document that passed the gates, in the order of reading."""

    def __init__(self) -> None:
        self.names = Names()
        self.licences = Names()
        self._entries = array("Q")

    def __len__(self) -> int:
        return len(self._entries) // _ENTRY

    def add(self, new: Entry) -> None:
        """Note a document down."""
        source, licence = self.names.number(new.source), self.licences.number(new.licence)
        self._entries.extend((new.key, *new.digest, source, *new.counts, new.work, new.year << 32 | licence))

    def since(self, index: int) -> bytes:
        """The entries from `index` on, as they are kept on the disk."""
        return np.array(self._entries[index * _ENTRY :], "<u8").tobytes()

    def extend(self, entries: bytes, names: Iterable[str], licences: Iterable[str]) -> None:
        """Take over entries that `since` gave, and the names that were new among them, in order."""
        self._entries.frombytes(np.frombuffer(entries, "<u8").astype(np.uint64).tobytes())
        for name in names:
            self.names.number(name)
        for name in licences:
            self.licences.number(name)

    def _columns(self, *which: int) -> NDArray[np.uint64]:
        return np.frombuffer(self._entries, np.uint64).reshape(-1, _ENTRY)[:, which]

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(n,) places in the order of holding out."""
        return self._columns(0)[:, 0]

    @property
    def digests(self) -> NDArray[np.uint64]:
        """(n, 2) hashes of the normalised texts."""
        return self._columns(1, 2)

    @property
    def sources(self) -> NDArray[np.int64]:
        """(n,) numbers of the sources the documents came from, see `names`."""
        return self._columns(3)[:, 0].astype(np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(n, 3) characters, bytes and words."""
        return self._columns(4, 5, 6).astype(np.int64)

    @property
    def works(self) -> NDArray[np.uint64]:
        """(n,) equal for editions of one work, 0 where nothing is said."""
        return self._columns(7)[:, 0]

    @property
    def years(self) -> NDArray[np.int64]:
        """(n,) years, 0 where nothing is said."""
        return (self._columns(8)[:, 0] >> np.uint64(32)).astype(np.int64)

    @property
    def licensed(self) -> NDArray[np.int64]:
        """(n,) numbers of the licences, see `licences`."""
        return (self._columns(8)[:, 0] & np.uint64(0xFFFFFFFF)).astype(np.int64)


def measure(text: str) -> tuple[int, int, int]:
    """(characters, bytes, words) of a text."""
    size = len(text) if text.isascii() else len(text.encode("utf-8"))
    return len(text), size, count_words(text)


def source_of(document: Document) -> str:
    """What a document is counted under: the source it names, else its file if that holds many, else the folder."""
    named = document.meta.get("source")
    if isinstance(named, str) and named:
        return named[:_LONGEST_NAME]
    path = str(document.meta.get("path", "generated"))
    if document.id != path:
        return path
    folder, _, _ = path.rpartition("/")
    return folder or "."


def year_of(meta: Mapping[str, Any]) -> int:
    """The year that a document names, the first of several; 0 where it names none."""
    year = meta.get("year")
    if isinstance(year, int) and not isinstance(year, bool):
        return year if 0 < year < 10_000 else 0
    found = _YEAR.search(year) if isinstance(year, str) else None
    return int(found[0]) if found else 0


def work_of(meta: Mapping[str, Any]) -> int:
    """A number that is equal for editions of one work: of the work that is named, else of author and title."""
    if work := meta.get("work"):
        return xxhash.xxh3_64_intdigest(str(work).casefold().encode()) | SAID
    both = [_plain(meta.get(key)) for key in ("author", "title")]
    return xxhash.xxh3_64_intdigest("\n".join(both).encode()) & ~SAID if all(both) else 0


def _plain(name: object) -> str:
    return " ".join(re.findall(r"\w+", name.casefold())) if isinstance(name, str) else ""


@dataclass(slots=True)
class Refusals:
    """Rejected texts: all counted by reason, the first `most` listed with the beginning of their text."""

    by_reason: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)
    most: int = MOST_REJECTED

    def add(self, rejected: Rejected) -> None:
        """Count one."""
        self.by_reason[rejected.reason] += 1
        self.examples.setdefault(rejected.reason, f"{rejected.id}: {rejected.why}")
        if len(self.rows) < self.most:
            self.rows.append({"id": rejected.id, "reason": rejected.why, "preview": rejected.preview})

    def following(self) -> Refusals:
        """An empty one for what comes next, that lists no more than there is still room for here."""
        return Refusals(most=self.most - len(self.rows))

    def include(self, later: Mapping[str, Any]) -> None:
        """Add what `plain` told of the `following` one."""
        self.by_reason.update(later["by_reason"])
        self.examples = {**later["examples"], **self.examples}
        self.rows += later["rows"]

    def plain(self) -> dict[str, Any]:
        """As JSON data."""
        return {"by_reason": dict(self.by_reason), "examples": self.examples, "rows": self.rows}

    def counted(self) -> dict[str, int]:
        """How many by reason, most frequent first."""
        return dict(self.by_reason.most_common())
