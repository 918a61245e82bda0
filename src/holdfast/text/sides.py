"""Which documents are kept, and on which side: decided from the ledger and the sketches, before any text is moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.text.dedup import near
from holdfast.text.dedup.exact import originals
from holdfast.text.ledger import SAID, Ledger
from holdfast.text.settings import CorpusSettings
from holdfast.text.split import choose

SPLITS = ("train", "val")
COPY = "copy of another document"
NEAR_COPY = "near copy of another document"


@dataclass(frozen=True, slots=True)
class Sides:
    """Where each document of a ledger goes.

    val, train: (n,) bool, documents that go there whole; what goes nowhere is a copy.
    cut:        index of the document that is cut between both, if there is one. tail_bytes: how long its end should be.
    repeats:    (n,) the earlier document that is kept instead, its own number for what is kept.
    copies:     (n,) bool, those left out because they are equal and not only alike.
    tied:       how many documents are kept on one side with others of the same work.
    """

    train: NDArray[np.bool_]
    val: NDArray[np.bool_]
    cut: int | None
    tail_bytes: int
    repeats: NDArray[np.int64]
    copies: NDArray[np.bool_]
    tied: int

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(n,) bool, documents that go somewhere."""
        return self.repeats == np.arange(len(self.repeats))

    def why(self, index: int) -> str:
        """The reason for which a document that goes nowhere does."""
        return COPY if self.copies[index] else NEAR_COPY


def sides(ledger: Ledger, settings: CorpusSettings, sketches: near.Sketches | None) -> Sides:
    """Decide. Copies are dropped if the settings say so; copies and editions of one work are on one side in any case.

    sketches: of all documents, or None when near copies are not looked for.
    """
    count = len(ledger)
    itself, words = np.arange(count), ledger.counts[:, 2]
    first = originals(ledger.digests)
    exact = first if settings.dedup.documents != "off" else itself
    alike = near.pairs(sketches, exact == itself, near.EDITION) if sketches is not None else near.NO_PAIRS
    nearly = near.superseded(words, alike, settings.dedup.similarity)
    repeats = nearly[exact]
    kept = repeats == itself
    together = near.joined(count, *_ties(first, near.editions(words, alike), _same_work(ledger.works)))
    chosen = choose(ledger.keys[together][kept], ledger.counts[kept, 1], settings.val_fraction)
    val = np.zeros(count, bool)
    val[kept] = chosen.val
    train = kept & ~val
    cut = None if chosen.cut is None else int(np.flatnonzero(kept)[chosen.cut])
    if cut is not None:
        train[cut] = False
    of_work = np.bincount(together[kept], minlength=count)[together[kept]] if count else np.zeros(0)
    return Sides(train, val, cut, chosen.tail_bytes, repeats, exact != itself, int((of_work > 1).sum()))


def _ties(*labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs that join each document with the first of its label, for several kinds of labels."""
    itself = np.arange(len(labels[0]))
    pairs = [(label[label != itself], itself[label != itself]) for label in labels]
    return np.concatenate([low for low, _ in pairs]), np.concatenate([high for _, high in pairs])


def _same_work(works: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(n,) the first document of the same work. Where only author and title are the same, and of very many documents,
    they are something like "Anonymous: Untitled", and nothing follows."""
    first = originals(np.column_stack([works, works]))
    many = np.bincount(first, minlength=len(works))[first] > near.MOST_EDITIONS
    said = (works & np.uint64(SAID)).astype(bool)
    return np.where((works == 0) | (many & ~said), np.arange(len(works)), first)
