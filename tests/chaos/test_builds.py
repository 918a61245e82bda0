"""Corpus, tokenizer and token shards, by a real run that is really killed: the next start ends with the same bytes."""

from __future__ import annotations

import random
import shutil
import signal
from itertools import count as numbers
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode

from ..disk.breaking import contents, vouched
from .conftest import Bench
from .forkserver import Outcome
from .results import FULL, count, record

pytestmark = pytest.mark.slow

BUILDS = ("corpus", "tokenizer", "tokens")
MOMENTS = count(4, 200)
DEADLY = ("crash-before@any", "crash-after@any", "torn@write")
REFUSED = ("enospc@write", "eio@sync")


def build(bench: Bench, run_dir: Path, **disturbance: Any) -> Outcome:
    """Start or go on with a run up to its token shards: of several parts, of several shards."""
    words = bench.words(run_dir, "tokens.shard_tokens=2k", "--until", "tokens")
    return bench.server.run(*words, meddle=("small_parts", {"characters": 2500}), **disturbance)


def built(run_dir: Path) -> dict[str, bytes]:
    """What the builds left, but for the records of when they ran."""
    found = {f"{stage}/{name}": data for stage in BUILDS for name, data in contents(run_dir / stage).items()}
    return {name: data for name, data in found.items() if "stage.json" not in name}


def finished(run_dir: Path) -> dict[Path, int]:
    """The files of finished parts, which are to stay as they are, each with its inode: a new file has another."""
    corpus, train = run_dir / "corpus", run_dir / "tokens" / "train"
    named = [corpus / name for name in vouched(corpus) if name.startswith(("train", "val"))]
    named += [train / name for name in vouched(train)]
    return {path: path.stat().st_ino for path in named}


@pytest.fixture(scope="module")
def whole(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What nobody disturbed, and how many seconds it took."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    outcome = build(bench, run_dir)
    assert outcome.code == 0, bench.server.said()
    made = built(run_dir)
    assert len([name for name in made if name.startswith("corpus/train")]) > 3
    assert len([name for name in made if name.endswith(".bin")]) > 5
    return made, outcome.seconds


def test_killed_at_any_moment(bench: Bench, whole: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    expected, seconds = whole
    chance = random.Random(7)
    kills = 0
    for number in range(MOMENTS):
        run_dir = tmp_path / str(number)
        while True:
            outcome = build(bench, run_dir, signals=[(chance.uniform(0, seconds), signal.SIGKILL)])
            if outcome.code == 0:
                break
            assert outcome.code == -signal.SIGKILL, bench.server.said()
            kills += 1
        assert built(run_dir) == expected
    assert kills >= MOMENTS // 2
    record("builds_killed", {"builds": MOMENTS, "kills": kills, "different": 0})


def test_asked_to_stop_at_any_moment(bench: Bench, whole: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    expected, seconds = whole
    chance = random.Random(9)
    stops = 0
    for number in range(MOMENTS):
        run_dir = tmp_path / str(number)
        while (code := build(bench, run_dir, signals=[(chance.uniform(0, seconds), signal.SIGTERM)]).code) != 0:
            assert code == ExitCode.STOPPED, bench.server.said()
            stops += 1
        assert built(run_dir) == expected
    assert stops >= MOMENTS // 2
    record("builds_stopped", {"builds": MOMENTS, "stops": stops, "different": 0})


@pytest.mark.parametrize("way", [*DEADLY, *REFUSED])
def test_broken_at_any_file_operation(
    bench: Bench, whole: tuple[dict[str, bytes], float], tmp_path: Path, way: str
) -> None:
    expected, _ = whole
    kind = way.partition("@")[2]
    broken = kept = 0
    for number in numbers(1, 1 if FULL else 61 if kind == "any" else 19):
        run_dir = tmp_path / str(number)
        outcome = build(bench, run_dir, faults=f"{way}:{number}")
        if outcome.code == 0:  # through before that operation, or it was a line of the journal, which can wait
            assert built(run_dir) == expected
            if build(bench, tmp_path / "end", faults=f"crash-before@{kind}:{number}").code == 0:
                break
            shutil.rmtree(tmp_path / "end")
            continue
        ends = -signal.SIGKILL if way in DEADLY else ExitCode.DISK
        assert outcome.code == ends, f"{way}:{number} ended with {outcome.code}: {bench.server.said()}"
        before = finished(run_dir)
        assert build(bench, run_dir).code == 0, f"{way}:{number}: {bench.server.said()}"
        assert built(run_dir) == expected, f"{way}:{number} went on to something else"
        after = finished(run_dir)
        assert all(after[path] == inode for path, inode in before.items()), f"{way}:{number} began anew"
        broken += 1
        kept += len(before)
    assert broken > 3
    assert kept > 20
    record(f"builds_{way.replace('@', '_')}", {"broken": broken, "finished_files_kept": kept, "different": 0})
