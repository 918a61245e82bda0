"""How much text a corpus has, and of what: counted from the ledger and from what was changed while it was dealt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.text.ledger import UNKNOWN, Ledger, Tally

MOST_NAMED = 100  # listed by name in a manifest; the small ones beyond are added up


class Given(NamedTuple):
    """The documents of one side. indices: (n,) in the ledger. counts: (n, 3) characters, bytes and words."""

    indices: NDArray[np.int64]
    counts: NDArray[np.int64]


def given(ledger: Ledger, whole: NDArray[np.bool_], dealt: Sequence[Mapping[str, Any]], split: str) -> Given:
    """What a side got: the documents that are there as they were gathered, and those that were changed.

    whole: (n,) bool, documents of this side. dealt: the records of the dealt parts.
    """
    rows = [row for record in dealt for row in record["changed"][split]]
    changed = np.array(rows, np.int64).reshape(-1, 4)
    same = whole.copy()
    same[changed[:, 0]] = False
    left = changed[changed[:, 1] > 0]
    indices = np.flatnonzero(same)
    return Given(
        np.concatenate([indices, left[:, 0]]),
        np.concatenate([ledger.counts[indices], left[:, 1:]]),
    )


def total(of: Given) -> Tally:
    """All of it."""
    return Tally(len(of.indices), *map(int, of.counts.sum(axis=0)))


def by_name(names: Sequence[str], numbers: NDArray[np.int64], of: Mapping[str, Given]) -> dict[str, dict[str, int]]:
    """Documents and text of both sides by a name of each document, most text first.

    numbers: (n,) for each document of the ledger, which of `names`.
    """
    sums = {split: _sums(numbers[each.indices], each.counts, len(names)) for split, each in of.items()}
    rows = {}
    for number, name in enumerate(names):
        train, val = sums["train"][number], sums["val"][number]
        if (train + val).documents:
            rows[name] = (train + val).plain() | {"val_documents": val.documents, "val_bytes": val.bytes}
    order = sorted(rows, key=lambda name: (-rows[name]["bytes"], name))
    found = {name: rows[name] for name in order[:MOST_NAMED]}
    if rest := order[MOST_NAMED:]:
        found[f"({len(rest):,} more)"] = {key: sum(rows[name][key] for name in rest) for key in rows[rest[0]]}
    return found


def by_decade(years: NDArray[np.int64], of: Mapping[str, Given]) -> dict[str, dict[str, int]]:
    """The same by decade, oldest first; documents without a year at the end."""
    decades, numbers = np.unique(years // 10 * 10, return_inverse=True)
    names = [str(decade) if decade else UNKNOWN for decade in decades.tolist()]
    found = by_name(names, numbers, of)
    return {name: found[name] for name in sorted(found, key=lambda name: (name == UNKNOWN, name))}


def _sums(numbers: NDArray[np.int64], counts: NDArray[np.int64], names: int) -> list[Tally]:
    weights = (None, *counts.T)  # documents count 1 each, the rest is exact below 2^53
    columns = [np.bincount(numbers, each, names) for each in weights]
    return [Tally(*map(int, row)) for row in zip(*columns, strict=True)]
