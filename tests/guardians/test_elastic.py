"""One run on one, two and four processes in turn, through torchrun: the same steps, and nothing lost between them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode
from holdfast.journal.journal import lineage, read
from holdfast.text import harbour
from holdfast.vault.store import Vault
from holdfast.vault.verify import digests
from tests.chaos.results import count, record

pytestmark = pytest.mark.slow

STEPS = 48
RECIPE = """
extends: smoke
precision: fp32
threads: 1
corpus: {path: CORPUS}
model: {size: tiny, hidden_size: 32, num_layers: 2, num_heads: 2, num_kv_heads: 1, context_length: 64}
pretrain: {steps: 48, batch_tokens: 512, save_steps: 9, eval_steps: 20, eval_tokens: 2000, sample_steps: 25}
sft: {enabled: false}
"""
NO_DROPOUT, DROPOUT = "model.dropout=0.0", "model.dropout=0.1"
ASKED = ("stage", "step", "learning_rate", "tokens")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe and the texts it reads."""
    folder = tmp_path_factory.mktemp("elastic")
    texts = folder / "texts"
    texts.mkdir()
    for document in harbour.documents(200, 5):
        (texts / f"{document.id.replace('/', '-')}.txt").write_text(document.text, "utf-8")
    (folder / "elastic.yaml").write_text(RECIPE.replace("CORPUS", str(texts)), "utf-8")
    return folder / "elastic.yaml"


def start(
    recipe: Path, run_dir: Path, world: int, *words: str, faults: str = "", restarts: int = 0
) -> "subprocess.Popen[str]":
    """`holdfast run`, up to pretraining, on `world` processes, which torchrun starts again `restarts` times."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", str(restarts)]
    launcher = [*torchrun, "--nproc-per-node", str(world)] if world > 1 else []
    run = ["-m", "holdfast", "run", str(recipe), "--run-dir", str(run_dir), "--until", "pretrain", *words]
    return subprocess.Popen(
        [sys.executable, *launcher, *run],
        env=os.environ | {"HOLDFAST_FAULTS": faults},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: "subprocess.Popen[str]", world: int, code: int) -> str:
    """Wait for the end of it, which must be `code`: torchrun itself knows 1 only, and names the code of its ranks."""
    printed, _ = process.communicate(timeout=200)
    if world > 1 and code:
        assert process.returncode == 1, printed
        assert f"exitcode  : {code} " in printed, printed
    else:
        assert process.returncode == code, printed
    return printed


def steps(run_dir: Path) -> list[dict[str, Any]]:
    return [each for each in lineage(read(run_dir / "journal")) if each["kind"] == "step"]


def kept(run_dir: Path, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(step[name] for name in names) for step in steps(run_dir)]


def events(run_dir: Path, name: str) -> list[dict[str, Any]]:
    return [each for each in read(run_dir / "journal") if each["kind"] == "event" and each["event"] == name]


def final(run_dir: Path) -> dict[str, str]:
    return digests(Vault(run_dir / "pretrain").checkpoints()[-1])


def test_checkpoints_move_freely_between_numbers_of_processes(recipe: Path, tmp_path: Path) -> None:
    ended(start(recipe, tmp_path / "alone", 1, NO_DROPOUT), 1, 0)
    run_dir = tmp_path / "moved"
    parts = ((1, "term@11", 8), (2, "term@23:rank=1", 3), (4, "term@36:rank=3", 1), (1, "", 5))
    for world, faults, micro in parts:
        words = (NO_DROPOUT, f"pretrain.micro_batch_rows={micro}")
        ended(start(recipe, run_dir, world, *words, faults=faults), world, ExitCode.STOPPED if faults else 0)
        newest = Vault(run_dir / "pretrain").checkpoints()[-1].manifest
        expected = int(faults.split("@")[1].split(":")[0]) if faults else STEPS
        assert (newest.step, newest.position, newest.world_size) == (expected, expected, world)
    assert kept(run_dir, *ASKED) == kept(tmp_path / "alone", *ASKED)
    assert [resume["position"] for resume in events(run_dir, "resume")] == [11, 23, 36]
    alone, moved = (kept(folder, "loss", "grad_norm") for folder in (tmp_path / "alone", run_dir))
    apart = max(abs(one - other) / one for (one, _), (other, _) in zip(alone, moved, strict=True))
    assert apart <= 1e-5
    notes = [note["text"] for note in events(run_dir, "note")]
    assert any("last bits" in note and "world_size was 1 and is 2" in note for note in notes)
    assert not events(run_dir, "audit_failed"), "what can not be the same to the bit is not held to it"
    record("elastic-numerics", {"layouts": [1, 2, 4, 1], "steps": STEPS, "largest_relative_difference": apart})


def test_when_one_of_two_is_killed_they_end_with_the_bits_of_an_unbroken_two(recipe: Path, tmp_path: Path) -> None:
    words = (DROPOUT, "pretrain.micro_batch_rows=3")
    ended(start(recipe, tmp_path / "unbroken", 2, *words), 2, 0)
    run_dir = tmp_path / "killed"
    ended(start(recipe, run_dir, 2, *words, faults="kill@31"), 2, -signal.SIGKILL)
    ended(start(recipe, run_dir, 2, *words, faults="kill@40:rank=1", restarts=1), 2, 0)
    assert final(run_dir) == final(tmp_path / "unbroken")
    measured = ("step", "loss", "grad_norm", "learning_rate", "tokens")
    assert kept(run_dir, *measured) == kept(tmp_path / "unbroken", *measured)
    assert [resume["step"] for resume in events(run_dir, "resume")] == [27, 40], "the first rank saved before it ended"
    assert len(events(run_dir, "audited")) == 1, "steps 28 to 31 were made twice and compared"
    assert not events(run_dir, "audit_failed")


def test_two_that_are_stopped_after_every_step_end_with_the_bits_of_an_unbroken_two(
    recipe: Path, tmp_path: Path
) -> None:
    words = (DROPOUT, "pretrain.micro_batch_rows=3", "pretrain.steps=30")
    ended(start(recipe, tmp_path / "unbroken", 2, *words), 2, 0)
    run_dir, stops = tmp_path / "stopped", range(1, 30, 30 // count(3, 30))
    for step in stops:
        ended(start(recipe, run_dir, 2, *words, faults=f"term@{step}:rank={step % 2}"), 2, ExitCode.STOPPED)
    ended(start(recipe, run_dir, 2, *words), 2, 0)
    assert [resume["step"] for resume in events(run_dir, "resume")] == list(stops)
    measured = ("step", "loss", "grad_norm", "learning_rate", "tokens")
    equal = final(run_dir) == final(tmp_path / "unbroken") and kept(run_dir, *measured) == kept(
        tmp_path / "unbroken", *measured
    )
    record("every-step-two-ranks", {"resumes": len(stops), "bit_equal": len(stops) * equal})
    assert equal


def test_sigterm_to_torchrun_stops_all_at_one_step_with_everything_saved(recipe: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = start(recipe, run_dir, 2, NO_DROPOUT, "pretrain.steps=100000")
    vault = Vault(run_dir / "pretrain")
    while not vault.checkpoints():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=120)
    assert "stopped by SIGTERM" in printed
    newest = vault.checkpoints()[-1]
    assert "signal" in newest.manifest.tags
    assert newest.step == steps(run_dir)[-1]["step"]
    assert json.loads((run_dir / "pretrain/stage.json").read_text())["facts"]["code"] == ExitCode.STOPPED


BURST = [f"{name}@{number}" for number, name in enumerate(("nan", "inf", "nan-grad", "nan", "nan", "nan"), start=30)]


@pytest.mark.parametrize("rank", [0, 1])
def test_what_breaks_on_one_of_two_is_decided_alike_on_both(recipe: Path, tmp_path: Path, rank: int) -> None:
    """Leaving out, going back, halving the parts: the same decisions and steps as of one process that had the same."""
    words, faults = (NO_DROPOUT, "pretrain.micro_batch_rows=4"), [*BURST, "oom@45", "oom@12"]
    ended(start(recipe, tmp_path / "alone", 1, *words, faults=",".join(faults)), 1, 0)
    there = ",".join(f"{fault}:rank={rank}" for fault in faults)
    ended(start(recipe, tmp_path / "two", 2, *words, faults=there), 2, 0)
    alone, two = (list(read(tmp_path / name / "journal")) for name in ("alone", "two"))
    facts = ("step", "position", "verdict")
    decided = [[tuple(each[fact] for fact in facts) for each in found if each["kind"] == "decision"]
               for found in (alone, two)]  # fmt: skip
    assert decided[0] == decided[1]
    assert [verdict for _, _, verdict in decided[1]] == ["shrink", *["skip"] * 5, "rollback", "shrink"]
    facts = ("step", "position", "lr_factor", "micro_batch_rows", "learning_rate", "tokens")
    assert kept(tmp_path / "two", *facts) == kept(tmp_path / "alone", *facts)
    assert [each["step"] for each in steps(tmp_path / "two")] == list(range(1, STEPS + 1)), "one update per step"
    losses = [kept(tmp_path / name, "loss") for name in ("alone", "two")]
    assert max(abs(one - other) / one for (one,), (other,) in zip(*losses, strict=True)) <= 1e-5
