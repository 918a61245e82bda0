"""Killed at any moment, as often as you like: nothing that was acknowledged is lost, and the end is the same."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from . import promises
from .conftest import Bench
from .results import count, record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(count(600, 7200))]

KILLS = count(200, 1000)
EXPORTS = count(2, 30)
STEP_SECONDS = 1.5
TIERS = ("checkpoints.milestone_steps=6", "pretrain.save_steps=3")  # so that there is something to demote and to delete


def unfinished(run_dir: Path) -> set[Path]:
    """Checkpoints that are half written, or half deleted."""
    return {path for part in (".stage", ".trash") for path in run_dir.glob(f"*/checkpoints/{part}/*")}


def where(run_dir: Path, before: set[Path]) -> str:
    """What the run was doing when it died, as far as one can tell from what it left behind."""
    if new := unfinished(run_dir) - before:
        return {".stage": "in a save", ".trash": "in a deletion"}[min(new).parent.name]
    last = promises.every(run_dir)[-1]
    return f"{last.get('stage') or 'loading'}, after {last.get('event') or last['kind']}"


def test_a_run_that_is_killed_over_and_over_ends_with_the_same_bits(bench: Bench, tmp_path: Path) -> None:
    chance = random.Random(3)
    kills, runs, audited, false_alarms = 0, 0, 0, 0
    places: Counter[str] = Counter()
    wanted = promises.result(bench.unbroken)
    while kills < KILLS:
        runs += 1
        run_dir = bench.fresh(tmp_path / f"run-{runs}")
        while True:
            life, before = chance.choice([bench.unbroken_seconds, bench.seconds_left(run_dir)]), unfinished(run_dir)
            kill = [(chance.uniform(0, life), signal.SIGKILL)] if kills < KILLS else []
            outcome = bench.server.run(*bench.words(run_dir, *TIERS), signals=kill)
            assert list(promises.broken(run_dir)) == []
            if outcome.code == 0:
                break
            assert outcome.code == -signal.SIGKILL, bench.server.said()
            kills += 1
            places[where(run_dir, before)] += 1
        assert promises.result(run_dir) == wanted
        audited += len(promises.events(run_dir, "audited"))
        false_alarms += len(promises.events(run_dir, "audit_failed"))
        shutil.rmtree(run_dir)
    assert false_alarms == 0
    assert len(places) > 5, "the kills struck everywhere"
    record("kills", {"kills": kills, "runs": runs, "unloadable": 0, "acknowledged_lost": 0, "runs_not_bit_equal": 0,
                     "audits": audited, "false_alarms": false_alarms, "where": dict(places.most_common())})  # fmt: skip


def test_what_a_kill_costs_at_most_by_default(bench: Bench, tmp_path: Path) -> None:
    """Counted from the journal: a kill after any step loses the steps since the newest acknowledged checkpoint."""
    run_dir = bench.fresh(tmp_path / "run")
    by_default = [f"pretrain.{name}=null" for name in ("save_steps", "eval_steps", "sample_steps")]
    words = bench.words(run_dir, *by_default, "pretrain.steps=200", "checkpoints.background=false", "--until=pretrain")
    assert bench.server.run(*words, meddle=("slow_steps", {"seconds": STEP_SECONDS})).code == 0, bench.server.said()
    saved, lost = 0, []
    for each in promises.every(run_dir):
        if each["kind"] == "checkpoint":
            saved = each["step"]
        elif each["kind"] == "step":
            lost.append((each["step"] - saved) * STEP_SECONDS)
    assert len(lost) == 200
    assert 40 < max(lost) <= 60
    record("work-at-risk", {"steps": len(lost), "step_seconds": STEP_SECONDS, "most_seconds_lost": max(lost)})


def test_killed_while_it_exports(bench: Bench, tmp_path: Path) -> None:
    chance = random.Random(5)
    words = ("export.to=[hf]",)
    exported, run_dir = tmp_path / "exported", tmp_path / "run"
    for folder in (exported, run_dir):
        shutil.copytree(bench.unbroken, folder)
    unbroken = bench.server.run(*bench.words(exported, *words))
    assert unbroken.code == 0, bench.server.said()
    for _ in range(EXPORTS):
        kill = [(chance.uniform(0, unbroken.seconds), signal.SIGKILL)]
        outcome = bench.server.run(*bench.words(run_dir, *words), signals=kill)
        assert outcome.code in (0, -signal.SIGKILL), bench.server.said()
    assert bench.server.run(*bench.words(run_dir, *words)).code == 0, bench.server.said()
    assert contents(run_dir / "export" / "hf") == contents(exported / "export" / "hf")
    assert [each.name for each in (run_dir / "export").iterdir() if each.name.startswith(".")] == []
    record("kills-in-export", {"kills": EXPORTS, "differences": 0})


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of an export, but for the card, which names its run."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".md"}
