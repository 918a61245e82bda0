"""Which documents are held out: a pure function of their ids, their sizes and the seed, not of the order of files."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.base.draws import draw
from holdfast.base.records import Document

GENEROUS = 2.0  # a document may carry the held-out text to this multiple of what is wanted, if smaller ones are there
ENOUGH = 0.5  # of what is wanted; with less, the end of the largest document is held out as well


class Choice(NamedTuple):
    """What is held out.

    val:        (n,) bool, documents held out whole.
    cut:        index of the document whose end is held out, None for most corpora.
    tail_bytes: how long that end should be.
    """

    val: NDArray[np.bool_]
    cut: int | None
    tail_bytes: int


def key(seed: int, id: str) -> int:
    """A document's place in the order in which documents are held out."""
    return draw(seed, "split", id)


def choose(keys: NDArray[np.uint64], sizes: NDArray[np.int64], fraction: float) -> Choice:
    """Hold out about `fraction` of all bytes: documents in the order of their keys until it is reached.

    keys:  (n,) equal for documents that must stay together (copies of one text).
    sizes: (n,) bytes, positive.

    A document that would overshoot by far is passed over while smaller ones will do, and at most half of the bytes are
    held out. Where whole documents can not give half of what is wanted, as with a single book, the largest document
    that has no copy is cut near its end. With fewer than two documents and no way to cut, nothing is held out.
    """
    groups, inverse = np.unique(keys, return_inverse=True)
    weights = np.bincount(inverse, weights=sizes, minlength=len(groups)).astype(np.int64)
    total = int(sizes.sum())
    wanted = fraction * total
    taken: list[int] = []
    for limit in (min(GENEROUS * wanted, total / 2), total / 2):
        taken = _until(weights, wanted, limit)
        held = int(weights[taken].sum())
        if held >= ENOUGH * wanted:
            break
    val = np.isin(inverse, taken)
    if held >= ENOUGH * wanted:
        return Choice(val, None, 0)
    single = np.bincount(inverse, minlength=len(groups))[inverse] == 1
    free = np.flatnonzero(single & ~val)
    if not len(free):
        return Choice(val, None, 0)
    cut = int(free[np.lexsort((keys[free], -sizes[free]))[0]])
    return Choice(val, cut, max(1, round(wanted) - held))


def _until(weights: NDArray[np.int64], wanted: float, limit: float) -> list[int]:
    """The first groups that together reach `wanted` without any step beyond `limit`."""
    taken: list[int] = []
    held = 0
    for group, weight in enumerate(weights.tolist()):
        if held >= wanted:
            break
        if held + weight <= limit:
            taken.append(group)
            held += weight
    return taken


def cut_document(document: Document, tail_bytes: int) -> tuple[Document, Document]:
    """(beginning, end) of a document, the end about so long. Of a single character the beginning is empty.

    Cut between paragraphs if there is a place for it between half and twice the wanted length, else between lines,
    words or characters.
    """
    text = document.text
    share = min(0.5, tail_bytes / len(text.encode("utf-8")))
    tail = max(1, round(share * len(text)))
    low, high = max(1, len(text) - 2 * tail), len(text) - max(1, tail // 2)
    at = len(text) - tail
    for mark in ("\n\n", "\n", " "):
        places = [text.rfind(mark, low, len(text) - tail), text.find(mark, len(text) - tail, high)]
        if found := [place + len(mark) for place in places if place >= 0]:
            at = min(found, key=lambda place: abs(place - (len(text) - tail)))
            break
    whole = {**document.meta, "cut_at": at}
    return (
        Document(f"{document.id}:beginning", text[:at], whole | {"part": "beginning"}),
        Document(f"{document.id}:end", text[at:], whole | {"part": "end"}),
    )
