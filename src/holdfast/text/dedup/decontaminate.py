"""What a text shares with evaluation sets: passages of 13 words, as in the report on GPT-3 (Brown et al., 2020, C).

A question that was learned by heart measures nothing. A passage of the training text that has 13 words in a row of an
evaluation text is cut out, and a text that is mostly such passages is left out; a novel is not given up for a verse
that a quiz quotes as well.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from holdfast.base.faults import DataFault
from holdfast.text.dedup.known import Known
from holdfast.text.dedup.passages import holding, passages, without
from holdfast.text.dedup.shingles import Hashes, Words, distinct, runs, words
from holdfast.text.locate import InputFile, find_inputs
from holdfast.text.read.compression import Metered, suffix_of, unpacked
from holdfast.text.read.encoding import decode

RUN_WORDS = 13
_HEAP = 4096
MOSTLY = 0.5  # of a text in passages that are known: then it is left out
SETTING = "corpus.dedup.decontaminate"


@dataclass(frozen=True)
class Evaluations:
    """Runs of words of evaluation files. sets: (n,) for each of the known hashes the number of its file in `names`."""

    names: tuple[str, ...]
    known: Known
    sets: Hashes


@dataclass(frozen=True, slots=True)
class Decontaminated:
    """A text without its known passages; None where little would be left. found: passages by evaluation file."""

    text: str | None
    found: dict[str, int]


def evaluations(paths: Sequence[str]) -> Evaluations | None:
    """What the named files hold: .jsonl and .json (every text in it), .csv (every cell), and plain text; packed or not.

    Texts of fewer than 13 words can not be looked for. None without files. Raises DataFault.
    """
    if not paths:
        return None
    files = find_inputs(list(paths), SETTING).files
    hashes, sets = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for number, file in enumerate(files):
        found = distinct(np.concatenate([np.zeros(0, np.uint64), *map(_runs, _together(_texts(file)))]))
        hashes.append(found)
        sets.append(np.full(len(found), number, np.uint64))
    known, first = np.unique(np.concatenate(hashes), return_index=True)
    return Evaluations(tuple(file.name for file in files), Known(known), np.concatenate(sets)[first])


def decontaminate(text: str, found: Words, against: Evaluations) -> Decontaminated | None:
    """The text without the passages that it shares with evaluation files; None when there are none."""
    hits, which = against.known.find(runs(found.hashes, RUN_WORDS))
    if not len(hits):
        return None
    of = passages(text)
    counts: dict[str, int] = {}
    for number in np.unique(against.sets[which]).tolist():
        name = against.names[number]
        counts[name] = len(holding(found.starts, hits[against.sets[which] == number], RUN_WORDS, of))
    cut = holding(found.starts, hits, RUN_WORDS, of)
    left = None if (cut[:, 1] - cut[:, 0]).sum() > MOSTLY * len(text) else without(text, cut)
    return Decontaminated(left, counts)


def _runs(texts: Sequence[str]) -> Hashes:
    """The runs of words of many texts; none goes from one text into the next."""
    found = words("\n".join(texts))
    ends = np.cumsum([len(text) + 1 for text in texts])
    text = np.searchsorted(ends, found.starts, "right")
    return runs(found.hashes, RUN_WORDS)[text[: 1 - RUN_WORDS] == text[RUN_WORDS - 1 :]]


def _together(texts: Iterator[str]) -> Iterator[list[str]]:
    """Short texts in larger heaps: a quiz has a hundred thousand of them."""
    heap: list[str] = []
    for text in texts:
        heap.append(text)
        if len(heap) == _HEAP or len(text) > _HEAP:
            yield heap
            heap = []
    if heap:
        yield heap


def _texts(file: InputFile) -> Iterator[str]:
    with open(file.path, "rb", buffering=0) as raw:
        packing = suffix_of(file.name)
        content, _ = decode(unpacked(Metered(raw, lambda count: None), packing).read())
    name = PurePosixPath(file.name.removesuffix(packing) if packing else file.name)
    try:
        if name.suffix in (".jsonl", ".ndjson"):
            for line in content.splitlines():
                if line.strip():
                    yield from _strings(json.loads(line))
        elif name.suffix == ".json":
            yield from _strings(json.loads(content))
        elif name.suffix in (".csv", ".tsv"):
            separator = "," if name.suffix == ".csv" else "\t"
            yield from (cell for row in csv.reader(io.StringIO(content), delimiter=separator) for cell in row)
        else:
            yield content
    except (ValueError, csv.Error) as error:
        raise DataFault(f"{file.name} can not be read: {error}", f"check {SETTING}") from None


def _strings(value: Any) -> Iterator[str]:
    """Every text inside JSON data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
