"""A bit that turns, or an end that is missing, in any file that a run goes on from: seen before a live tensor changes,
told, and gone back behind where there is something to go back to.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode
from holdfast.stages.stage import end, read_record
from holdfast.vault.store import Vault
from holdfast.vault.verify import digest, digests

from .conftest import Bench
from .promises import TRAINED, events, result
from .results import count, record
from .rot import FOR_PEOPLE, KINDS, Run, flipped, outcome, truncated

pytestmark = pytest.mark.slow

FLIPS, TRUNCATIONS = count(200, 5_000), count(50, 1_000)


class Rotting:
    """A copy of a finished run, damaged in one place at a time, and what became of that."""

    def __init__(self, path: Path) -> None:
        self.run = Run.at(path)
        self.counts: dict[str, Counter[str]] = {}

    def damage(self, name: str) -> list[str]:
        """The share of all flips and truncations that falls to one kind; returns those that were not seen."""
        kind = KINDS[name]
        files, sound = kind.files(self.run.path), kind.read(self.run)
        chance = random.Random(name)
        found = self.counts[name] = Counter()
        unseen = []
        for way, cases in ((flipped, FLIPS), (truncated, TRUNCATIONS)):
            for _ in range(-(-cases // len(KINDS))):
                with way(chance.choice(files), chance) as place:
                    became = outcome(kind, self.run, sound)
                found[f"{way.__name__} {became.partition(':')[0]}"] += 1
                if became not in ("caught", "harmless"):
                    unseen.append(f"{became}: {place}")
        assert kind.same(kind.read(self.run), sound), "the damage was not taken back"
        return unseen


@pytest.fixture(scope="module")
def rotting(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotting]:
    """The copy; what was counted is kept at the end."""
    path = tmp_path_factory.mktemp("rot") / "run"
    shutil.copytree(bench.unbroken, path)
    rotting = Rotting(path)
    yield rotting
    total = sum(rotting.counts.values(), Counter())
    record("bit-rot", {"total": total, "by_kind": rotting.counts})


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_seen_by_whoever_goes_on_from_the_file(rotting: Rotting, name: str) -> None:
    assert rotting.damage(name) == []


def test_every_file_of_a_run_is_of_some_kind(rotting: Rotting) -> None:
    run = rotting.run.path
    known = {path for kind in KINDS.values() for path in kind.files(run)}
    known |= {path for pattern in FOR_PEOPLE for path in run.glob(pattern)}
    assert {path.relative_to(run) for path in run.rglob("*") if path.is_file()} - {
        path.relative_to(run) for path in known
    } == set()
    assert all(kind.files(run) for kind in KINDS.values())


@pytest.mark.parametrize("name", ["MANIFEST.json", "model.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("way", [flipped, truncated])
def test_the_checkpoint_before_is_given_instead_and_the_damaged_one_set_aside(
    bench: Bench, tmp_path: Path, name: str, way: Any
) -> None:
    chance = random.Random(name)
    for number in range(4):
        root = tmp_path / str(number)
        shutil.copytree(bench.unbroken / "pretrain", root)
        before, newest = Vault(root).checkpoints()[-2:]
        sound = digests(before)
        with way(newest.path / name, chance):
            vault = Vault(root, 9)
            found = vault.newest_valid()
            assert found is not None
            assert found.path == before.path
            loaded = vault.load(found)
            assert digest(loaded["model"]) == sound["model"]
            assert list(vault.rejected) == [newest.path.name]
            aside = root / "quarantine" / newest.path.name
            reason = json.loads(aside.with_name(f"{aside.name}.reason.json").read_text())
            assert reason["why"] == vault.rejected[newest.path.name]
            aside.rename(newest.path)  # to where the damage is taken back


def turn(path: Path) -> None:
    """One bit in the middle, for good."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def interrupted(bench: Bench, run: Path) -> Path:
    """A run that was stopped at the last step of pretraining."""
    shutil.copytree(bench.unbroken, run)
    for stage in ("sft", "evaluate"):
        shutil.rmtree(run / stage)
    done = read_record(run / "pretrain")
    assert done is not None
    end(run / "pretrain", done, "stopped", 0.0, {})
    return run


@pytest.mark.parametrize("name", ["MANIFEST.json", "model.safetensors", "optimizer.safetensors"])
def test_a_run_goes_on_from_the_one_before_says_so_and_ends_with_the_same_bits(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    run = interrupted(bench, tmp_path / "run")
    newest = Vault(run / "pretrain").checkpoints()[-1]
    turn(newest.path / name)
    damaged = (newest.path / name).read_bytes()
    assert bench.server.run(*bench.words(run)).code == ExitCode.DONE, bench.server.said()
    assert (run / "pretrain" / "quarantine" / newest.path.name / name).read_bytes() == damaged
    said = [note["text"] for note in events(run, "note") if newest.path.name in note["text"]]
    assert len(said) == 1
    assert "damaged and was set aside" in said[0]
    assert name == "MANIFEST.json" or name in said[0]
    after, unbroken = result(run), result(bench.unbroken)
    assert all(after[stage] == unbroken[stage] for stage in TRAINED)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("tokens/train/00000.bin", "the token file"),
        ("tokens/train/00000.idx", "the token file"),
        ("tokens/train/manifest.json", "manifest.json is damaged"),
        ("tokenizer/tokenizer_manifest.json", "the tokenizer in"),
    ],
)
def test_training_does_not_begin_on_damaged_tokens(bench: Bench, tmp_path: Path, place: str, said: str) -> None:
    run = bench.fresh(tmp_path / "run")
    turn(run / place)
    assert bench.server.run(*bench.words(run)).code in (ExitCode.FAILED, ExitCode.NOT_READY)
    assert said in bench.server.said().strip().splitlines()[-2]
    assert Vault(run / "pretrain").everything() == []
