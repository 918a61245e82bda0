"""What is remembered of every document while the corpus is made: some fifty bytes each, never the text."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.base.records import Document
from holdfast.text import split
from holdfast.text.dedup import words_and_digest
from holdfast.text.rejection import Rejected

MOST_SOURCES = 100  # listed by name in a manifest; the small ones beyond are added up
MOST_REJECTED = 10_000  # listed one by one; all are counted
_ENTRY = 7  # words of 64 bits


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


class Ledger:
    """One entry for each document that passed the gates, in the order of reading."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.names: dict[str, int] = {}
        self._entries = array("Q")  # key, two words of digest, source, characters, bytes and words of each

    def __len__(self) -> int:
        return len(self._entries) // _ENTRY

    def add(self, document: Document) -> None:
        """Note a document down."""
        words, digest = words_and_digest(document.text)
        source = self.names.setdefault(source_of(document), len(self.names))
        counts = measure(document.text, words)
        self._entries.extend((split.key(self.seed, document.id), *digest, source, *counts))

    def since(self, index: int) -> bytes:
        """The entries from `index` on, as they are kept on the disk."""
        return np.array(self._entries[index * _ENTRY :], "<u8").tobytes()

    def extend(self, entries: bytes, names: Iterable[str]) -> None:
        """Take over entries that `since` gave, and the sources that were new among them, in order."""
        self._entries.frombytes(np.frombuffer(entries, "<u8").astype(np.uint64).tobytes())
        for name in names:
            self.names.setdefault(name, len(self.names))

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


def measure(text: str, words: int | None = None) -> tuple[int, int, int]:
    """(characters, bytes, words) of a text."""
    size = len(text) if text.isascii() else len(text.encode("utf-8"))
    return len(text), size, len(text.split()) if words is None else words


def source_of(document: Document) -> str:
    """What a document is counted under: its file if that holds many, else the folder of the file."""
    path = str(document.meta.get("path", "generated"))
    if document.id != path:
        return path
    folder, _, _ = path.rpartition("/")
    return folder or "."


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
