"""Text that is on both sides: runs of 13 words of held-out text that training text has as well.

Whoever learned a passage by heart predicts it well and has understood nothing, so a loss on it misleads. Copies and
editions are off the table when this is asked; what is left are quotations, formulas, and works that print each other.
In 143 MB of texts from 1500 to 1920, independent novels share hardly any run of 13 words, and a volume of speeches
shares thousands with another one. The passages are cut out of the held-out text: it is the smaller side, and a verse
stands in it once where the training text may have it a hundred times. A text that is mostly such passages goes.

All runs of held-out text are looked up in all training text; where there are more than 8 million of them, one in 2, 4,
8, ... chosen by its hash, so that the memory stays bounded. What is found in a part of the training text is kept, so a
search that is killed goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from holdfast.text.dedup.known import Known
from holdfast.text.dedup.passages import Ranges, passages
from holdfast.text.dedup.shingles import Hashes, distinct, runs, words

RUN_WORDS = 13
MOST = 1 << 23  # runs of words that are remembered
MOSTLY = 0.5  # of a text in shared passages: then all of it goes


class Sample:
    """Runs of words of many texts, each once: all of them, or one in `every`."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.every = 1
        self.hashes: Hashes = np.zeros(0, np.uint64)
        self._new: list[Hashes] = []
        self._waiting = 0

    def add(self, text: str) -> None:
        """Remember a text."""
        found = runs(words(text).hashes, RUN_WORDS)
        self._new.append(found[_chosen(found, self.every)])
        self._waiting += len(self._new[-1])
        if self._waiting > self.most // 4:
            self.settle()

    def settle(self) -> None:
        """Bring `hashes` up to date: in order, each once."""
        self.hashes = distinct(np.concatenate([self.hashes, *self._new]))
        self._new, self._waiting = [], 0
        while len(self.hashes) > self.most:
            self.every *= 2
            self.hashes = self.hashes[_chosen(self.hashes, self.every)]


def sampled(texts: Iterable[str], most: int = MOST) -> Sample:
    """The runs of words of these texts."""
    sample = Sample(most)
    for text in texts:
        sample.add(text)
    sample.settle()
    return sample


def shared(text: str, of: Known) -> NDArray[np.int64]:
    """Numbers of the known runs that a text has."""
    return of.find(runs(words(text).hashes, RUN_WORDS))[1]


def leaking(text: str, known: Known) -> Ranges:
    """(k, 2) the passages to cut out so that no known run is left; all of the text where it is mostly such passages."""
    of = passages(text)
    left = np.arange(len(of))
    while True:
        found = words("".join(text[begin:end] for begin, end in of[left].tolist()))
        hits, _ = known.find(runs(found.hashes, RUN_WORDS))
        if not len(hits):
            break
        begins = np.cumsum(of[left, 1] - of[left, 0]) - (of[left, 1] - of[left, 0])
        places = found.starts[(hits[:, None] + np.arange(RUN_WORDS)).ravel()]
        left = np.delete(left, np.unique(np.searchsorted(begins, places, "right") - 1))
    cut = np.delete(of, left, axis=0)
    if (cut[:, 1] - cut[:, 0]).sum() > MOSTLY * len(text):
        return np.array([[0, len(text)]], np.int64)
    return cut


def _chosen(hashes: Hashes, every: int) -> NDArray[np.bool_]:
    return hashes & np.uint64(every - 1) == 0
