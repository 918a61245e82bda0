"""The search for held-out text in training text, over gathered parts, before the first of them is dealt.

.looked-00000.json, .found    which runs of held-out words the training text of part 0 has
.leaks.json, .leaks.cuts      what is to be cut out of held-out documents, and what was counted
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.disk import parts
from holdfast.disk.files import write_bytes
from holdfast.text.crew import Crew
from holdfast.text.dedup.known import Known
from holdfast.text.dedup.leaks import MOSTLY, RUN_WORDS, Sample, leaking, sampled, shared
from holdfast.text.dedup.passages import NO_CUTS, Cuts
from holdfast.text.dedup.shingles import Hashes
from holdfast.text.gather import part_path
from holdfast.text.meter import Meter
from holdfast.text.settings import CorpusSettings
from holdfast.text.share import Share, shares
from holdfast.text.sides import Sides

TELL = 64  # documents


class Lookup:
    """Which held-out runs of words the training side of a share has. Travels to the workers as a path."""

    def __init__(self, hashes: Path) -> None:
        self.path = hashes

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    @cached_property
    def known(self) -> Known:
        """The runs of words of the held-out text."""
        return Known(np.fromfile(self.path, "<u8"))

    def __call__(self, share: Share) -> NDArray[np.int64]:
        """Numbers of the known runs."""
        document = share.documents().get("train")
        return np.zeros(0, np.int64) if document is None else shared(document.text, self.known)


class Leakage:
    """The search, begun or continued. record: what came of it, None while it is not finished."""

    def __init__(self, settings: CorpusSettings, out: Path, made_from: str) -> None:
        self.settings = settings
        self.out = out
        self.made_from = made_from
        self.asked = settings.dedup.leaks != "off"
        self.record = parts.finished(out / ".leaks.json", made_from)

    @property
    def names(self) -> set[str]:
        """All files that the search may have finished."""
        names = {".leaks.json", ".leaks.cuts"} if self.record is not None else set()
        return names | {path.with_suffix(kind).name for path in self._looked for kind in (".json", ".found")}

    @property
    def _looked(self) -> list[Path]:
        """Records of the parts that are looked through."""
        found = sorted(self.out.glob(".looked-*.json")) if self.is_open else []
        return [path for path in found if parts.finished(path, self.made_from) is not None]

    @property
    def is_open(self) -> bool:
        """Whether there is something to search for, and it is not finished: then no part may be dealt."""
        return self.asked and self.record is None

    @property
    def cuts(self) -> Cuts:
        """Passages to cut out of held-out documents, after everything else that is cut out of them."""
        if self.record is None:
            return NO_CUTS
        return Cuts(np.fromfile(self.out / ".leaks.cuts", "<i8").reshape(-1, 3))

    @property
    def facts(self) -> dict[str, Any] | None:
        """For the manifest: what was looked for, what is shared, and what is cut out."""
        return None if self.record is None else self.record["facts"]

    def run(self, gathered: Sequence[int], to: Sides, repeated: Cuts, crew: Crew, meter: Meter) -> None:
        """Search, unless that is done; `gathered`: documents in each part. The meter tells nothing new, but often: who
        wants the build to stop is asked there."""
        if not self.is_open:
            return
        sample = sampled(text for _, text in self._held_out(gathered, to, repeated))
        write_bytes(self.out / ".heldout.hashes", sample.hashes.astype("<u8").tobytes())
        found = self._looked_up(gathered, to, repeated, len(sample.hashes), crew, meter)
        rows, facts = self._decide(gathered, to, repeated, sample, sample.hashes[found])
        path = self.out / ".leaks.cuts"
        write_bytes(path, rows.astype("<i8").tobytes())
        self.record = parts.finish(self.out / ".leaks.json", self.made_from, [path], {"facts": facts})

    def _held_out(self, gathered: Sequence[int], to: Sides, repeated: Cuts) -> Iterator[tuple[int, str]]:
        held = to.val.copy()
        if to.cut is not None:
            held[to.cut] = True
        for number, indices in enumerate(_ranges(gathered)):
            if not held[indices.start : indices.stop].any():
                continue
            for share in shares(part_path(self.out, number), indices, to, repeated):
                if held[share.number] and (document := share.documents().get("val")) is not None:
                    yield share.number, document.text

    def _looked_up(
        self, gathered: Sequence[int], to: Sides, repeated: Cuts, count: int, crew: Crew, meter: Meter
    ) -> NDArray[np.bool_]:
        """(count,) which of the held-out runs are in training text."""
        found = np.zeros(count, bool)
        lookup = Lookup(self.out / ".heldout.hashes")
        done = []
        for number in range(len(gathered)):
            record = parts.finished(self.out / f".looked-{number:05}.json", self.made_from)
            done.append(record is not None)
            if record is not None:
                found[np.fromfile(self.out / f".looked-{number:05}.found", "<i8")] = True
        todo = (
            share
            for number, indices in enumerate(_ranges(gathered))
            if not done[number]
            for share in shares(part_path(self.out, number), indices, to, repeated)
        )
        number, here = -1, np.zeros(count, bool)
        ends = np.cumsum(gathered)
        with closing(crew.spread(lookup, todo, _size)) as looked:
            for share, numbers in looked:
                part = int(np.searchsorted(ends, share.number, "right"))
                if part != number:
                    self._keep(number, here)
                    number, here = part, np.zeros(count, bool)
                here[numbers] = found[numbers] = True
                if share.number % TELL == 0:
                    meter.tell()
        self._keep(number, here)
        return found

    def _keep(self, number: int, here: NDArray[np.bool_]) -> None:
        if number >= 0:
            path = self.out / f".looked-{number:05}.found"
            write_bytes(path, np.flatnonzero(here).astype("<i8").tobytes())
            parts.finish(path.with_suffix(".json"), self.made_from, [path], {})

    def _decide(
        self, gathered: Sequence[int], to: Sides, repeated: Cuts, sample: Sample, both: Hashes
    ) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """((m, 3) cuts, facts). Where more than half would go the texts are all made of the same phrases, and nothing
        is cut."""
        facts = {"run_words": RUN_WORDS, "runs": len(sample.hashes), "one_in": sample.every, "shared": len(both)}
        known = Known(both)
        rows: list[tuple[int, int, int]] = []
        held = cut = 0
        if len(both):
            for index, text in self._held_out(gathered, to, repeated):
                ranges = leaking(text, known)
                rows += [(index, begin, end) for begin, end in ranges.tolist()]
                held, cut = held + len(text), cut + int((ranges[:, 1] - ranges[:, 0]).sum())
        formulaic = cut > MOSTLY * held
        if self.settings.dedup.leaks != "cut" or self.settings.generator is not None or formulaic:
            rows, cut, left = [], 0, len(both)
        else:
            left = 0
        facts |= {"cut_passages": len(rows), "cut_characters": cut, "left": left, "formulaic": formulaic}
        return np.array(rows, np.int64).reshape(-1, 3), facts


def _size(share: Share) -> int:
    return len(share.line) if share.side in ("train", "both") else 0


def _ranges(gathered: Sequence[int]) -> Iterator[range]:
    begin = 0
    for documents in gathered:
        yield range(begin, begin + documents)
        begin += documents
