"""How fast a corpus is built, how much memory that takes, and what the search for near copies finds and misses.

python bench/corpus.py [SHARED]    writes bench/results/corpus.json; some minutes, best on an otherwise idle machine

SHARED is the folder of real texts, ../shared/data unless named. Throughput is of whole builds, each in a process of
its own: read, unpack, clean, gate, compare, split, look for leaks, write. What is found is counted twice: on second
editions of four novels that are among a hundred, and on pieces of 74 novels that are spoilt on purpose.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from watching import watched

from holdfast.base.records import Document
from holdfast.bench.figures import spread
from holdfast.stages.run import environment
from holdfast.text.dedup import near
from holdfast.text.dedup.shingles import words
from holdfast.text.dedup.sketch import sketch
from holdfast.text.meter import Meter
from holdfast.text.settings import CorpusSettings
from holdfast.text.sides import NEAR_COPY
from holdfast.text.sources import documents

RESULTS = Path(__file__).parent / "results" / "corpus.json"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PLANTED = {
    "litbank_1023_bleak_house.txt": "Dickens_Bleak_1853",
    "litbank_113_the_secret_garden.txt": "Burnett_Garden_1911",
    "litbank_120_treasure_island.txt": "Stevenson_Treasure_1883",
    "litbank_2852_the_hound_of_the_baskervilles.txt": "Doyle_Hound_1902",
}
REPEATS = 5
LENGTHS = {"long": 10_000, "short": 300}  # words of a piece
MISREAD = {"h": "b", "e": "c", "m": "rn", "l": "1", "s": "f", "u": "n"}
MODERN = (
    (r"\bto-(day|morrow|night)\b", r"to\1"),
    (r"\bshew", "show"),
    (r"(\w)our\b", r"\1or"),
    (r"\bgaol", "jail"),
    (r"(\w)ise\b", r"\1ize"),
    (r"\b(any|every|some) one\b", r"\1one"),
    (r"\bconnexion", "connection"),
    (r"\bwaggon", "wagon"),
    (r"\bdont\b", "don't"),
)
Spoil = Callable[[list[str], random.Random], list[str]]


def builds(paths: list[str], folder: Path) -> dict[str, Any]:
    """Seconds, text per second and peak memory of whole builds, by number of worker processes, interleaved."""
    taken: dict[int, list[tuple[float, int]]] = {1: [], 2: []}
    manifest: dict[str, Any] = {}
    fingerprints = set()
    for turn in range(REPEATS):
        for workers, rows in taken.items():
            out = folder / f"{turn}-{workers}"
            rows.append(_built(paths, workers, out))
            manifest = json.loads((out / "manifest.json").read_text("utf-8"))
            fingerprints.add(manifest["fingerprint"])
            print(workers, rows[-1], flush=True)
    text = sum(tally["bytes"] for tally in manifest["splits"].values())
    found = {
        f"workers_{workers}": {
            "megabytes_per_second": spread([text / 1e6 / seconds for seconds, _ in rows]),
            "seconds": spread([seconds for seconds, _ in rows]),
            "peak_megabytes_of_all_processes": max(peak for _, peak in rows) / 1e6,
        }
        for workers, rows in taken.items()
    }
    return found | {"text_bytes": text, "different_results": len(fingerprints) - 1, "dedup": manifest["dedup"]}


def _built(paths: list[str], workers: int, out: Path) -> tuple[float, int]:
    """(seconds, most bytes of memory of the build and its workers together) of one build."""
    named = f"corpus.path={json.dumps(paths)}"
    command = [sys.executable, "-m", "holdfast", "corpus", "build", named, f"corpus.workers={workers}"]
    return watched([*command, "--out", str(out), "--quiet"], _memory)


def _memory(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0


def planted(out: Path) -> dict[str, Any]:
    """What a build over the novels and the second editions left out as near copies, against the truth."""
    rows = [json.loads(line) for path in sorted(out.glob("ledger-*.jsonl")) for line in path.read_text().splitlines()]
    right = wrong = 0
    for row in rows:
        if row.get("why") == NEAR_COPY:
            pair = row["id"] + " " + rows[row["row_of_original"]]["id"]
            good = any(edition in pair and original in pair for edition, original in PLANTED.items())
            right, wrong = right + good, wrong + (not good)
    return _score(len(PLANTED), right, wrong) | {"documents": len(rows)}


def _score(there: int, right: int, wrong: int) -> dict[str, Any]:
    return {
        "there": there,
        "found": right,
        "wrong": wrong,
        "recall": right / there,
        "precision": right / (right + wrong) if right + wrong else None,
    }


def misread(share: float) -> Spoil:
    """Some words with a letter taken for another, as scanners do."""

    def apply(text: list[str], chance: random.Random) -> list[str]:
        return [_misread(word, chance) if chance.random() < share else word for word in text]

    return apply


def dropped(share: float) -> Spoil:
    """A chapter is missing."""

    def apply(text: list[str], chance: random.Random) -> list[str]:
        size = round(share * len(text))
        begin = chance.randrange(len(text) - size)
        return text[:begin] + text[begin + size :]

    return apply


def prefaced(text: list[str], chance: random.Random) -> list[str]:
    """Something else comes first."""
    return [chance.choice(text) for _ in range(len(text) // 10)] + text


def modern(text: list[str], chance: random.Random) -> list[str]:
    """Spelled as a later printer would."""
    changed = " ".join(text)
    for old, new in MODERN:
        changed = re.sub(old, new, changed)
    return changed.split(" ")


def unmarked(text: list[str], chance: random.Random) -> list[str]:
    """Dashes, quotation marks and everything like that is lost."""
    return [re.sub(r"[^\w\s]", " ", word) for word in text]


def as_they_come(text: list[str], chance: random.Random) -> list[str]:
    """Several at once."""
    for way in (modern, misread(0.02), dropped(0.1), prefaced):
        text = way(text, chance)
    return text


WAYS: dict[str, Spoil] = {
    "modern spelling": modern,
    "marks lost": unmarked,
    "1 % of words misread": misread(0.01),
    "3 % of words misread": misread(0.03),
    "5 % of words misread": misread(0.05),
    "10 % dropped": dropped(0.1),
    "25 % dropped": dropped(0.25),
    "preface of 10 %": prefaced,
    "modern, 2 % misread, 10 % dropped, preface": as_they_come,
}


def _misread(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word)) if word else 0
    return word[:at] + MISREAD.get(word[at : at + 1], "i") + word[at + 1 :]


def constructed(novels: list[list[str]], length: int) -> dict[str, Any]:
    """A piece of each novel, and the piece spoilt in each way: who is recognised as whose edition."""
    chance = random.Random(length)
    pieces = []
    for text in novels:
        begin = chance.randrange(max(1, len(text) - length))
        piece = text[begin : begin + length]
        pieces += [piece, *(way(piece, chance) for way in WAYS.values())]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sketches"
        path.write_bytes(b"".join(sketch(words(" ".join(each)).hashes).astype("<u4").tobytes() for each in pieces))
        sketches = near.Sketches([path])
        found = near.pairs(sketches, np.ones(len(pieces), bool), near.EDITION)
    limit = CorpusSettings(path=".").dedup.similarity
    kept = near.superseded(np.array([len(each) for each in pieces]), found, limit)
    step = len(WAYS) + 1
    wrong = sum(kept[number] // step != number // step for number in range(len(pieces)))
    rows = {}
    for place, name in enumerate(WAYS, 1):
        right = sum(kept[number] != number for number in range(place, len(pieces), step))
        rows[name] = right / len(novels)
    there = len(WAYS) * len(novels)
    left_out = sum(kept[number] != number for number in range(len(pieces)))
    return _score(there, int(left_out - wrong), int(wrong)) | {"recall_by_way": rows}


def novels(shared: Path) -> Iterator[list[str]]:
    """The words of each novel of two collections that have no novel in common."""
    paths = [
        str(shared / "history" / name) for name in ("novels_1719_1916_litbank.tar.xz", "eltec_eng_novels.jsonl.xz")
    ]
    for _, found in documents(CorpusSettings(path=paths), 1, Meter(lambda done, total: None)):
        assert isinstance(found, Document), f"nothing in these is rejected, but {found.id} is: {found.why}"
        yield found.text.split()


def main() -> None:
    """Measure, print and write."""
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        history = builds([str(shared / "history")], Path(name))
        editions = [str(shared / "history"), str(shared / "fixtures" / "near_duplicates")]
        _built(editions, 2, Path(name) / "planted")
        found = planted(Path(name) / "planted")
    books = list(novels(shared))
    result = {
        "environment": environment(),
        "history": history,
        "planted_editions": found,
        "spoilt_novels": {kind: constructed(books, length) for kind, length in LENGTHS.items()},
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
