"""What is remembered of every document while the corpus is made: some fifty bytes each, never the text."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.base.records import Document
from holdfast.text import split
from holdfast.text.dedup import words_and_digest
from holdfast.text.rejection import Rejected

MOST_SOURCES = 100  # listed by name in a manifest; the small ones beyond are added up
MOST_REJECTED = 10_000  # listed one by one; all are counted


@dataclass(slots=True)
class Tally:
    """How much text there is. `bytes` are UTF-8, `words` are separated by white space."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    words: int = 0

    def add(self, characters: int, size: int, words: int) -> None:
        """One document more."""
        self.documents += 1
        self.characters += characters
        self.bytes += size
        self.words += words

    def plain(self) -> dict[str, int]:
        """As JSON data."""
        return asdict(self)


class Ledger:
    """One entry for each document that passed the gates, in the order of reading."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.names: dict[str, int] = {}
        self._keys = array("Q")
        self._digests = array("Q")
        self._sources = array("I")
        self._counts = (array("Q"), array("Q"), array("Q"))  # characters, bytes, words

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, document: Document) -> None:
        """Note a document down."""
        words, digest = words_and_digest(document.text)
        self._keys.append(split.key(self.seed, document.id))
        self._digests.extend(digest)
        self._sources.append(self.names.setdefault(source_of(document), len(self.names)))
        for column, count in zip(self._counts, measure(document.text, words), strict=True):
            column.append(count)

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(n,) places in the order of holding out."""
        return np.array(self._keys, np.uint64)

    @property
    def digests(self) -> NDArray[np.uint64]:
        """(n, 2) hashes of the normalised texts."""
        return np.array(self._digests, np.uint64).reshape(-1, 2)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(n,) bytes."""
        return np.array(self._counts[1], np.int64)

    def counts(self, index: int) -> tuple[int, int, int]:
        """(characters, bytes, words) of one document."""
        characters, size, words = self._counts
        return characters[index], size[index], words[index]

    def source(self, index: int) -> int:
        """Number of the source a document came from, see `names`."""
        return self._sources[index]


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
    """Rejected texts: all counted by reason, the first ones listed."""

    by_reason: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, rejected: Rejected) -> dict[str, Any] | None:
        """Count one; returns the row to list, None when enough are listed."""
        listed = self.by_reason.total() < MOST_REJECTED
        self.by_reason[rejected.reason] += 1
        self.examples.setdefault(rejected.reason, f"{rejected.id}: {rejected.why}")
        return {"id": rejected.id, "reason": rejected.why, "preview": rejected.preview} if listed else None

    def plain(self) -> dict[str, int]:
        """Counts, most frequent first."""
        return dict(self.by_reason.most_common())
