"""A run that starts its other processes itself: what a terminal, a scheduler and the system do to it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from holdfast.base.faults import ExitCode
from holdfast.journal.journal import read
from holdfast.stages.processes import kept
from holdfast.vault.store import Vault

RECIPE = """
extends: smoke
precision: fp32
processes: 2
corpus: {path: CORPUS}
model: {size: tiny, hidden_size: 16, num_layers: 1, num_heads: 2, num_kv_heads: 1, intermediate_size: 32,
        context_length: 32}
pretrain: {steps: 100000, batch_tokens: 128, save_steps: 20, eval_steps: 100000, eval_tokens: 200}
sft: {enabled: false}
"""


class Started:
    """`holdfast run`, at work: its first process leads a group of its own."""

    def __init__(self, recipe: Path, run_dir: Path, *words: str) -> None:
        self.run_dir = run_dir
        command = [sys.executable, "-m", "holdfast", "run", str(recipe), "--run-dir", str(run_dir)]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        self.process = subprocess.Popen(
            [*command, "--until", "pretrain", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until_saved(self) -> psutil.Process:
        """Wait for a checkpoint of this start; returns the other process."""
        before = self.saved()
        deadline = time.monotonic() + 120
        while self.saved() == before:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (other,) = psutil.Process(self.process.pid).children()
        return other

    def saved(self) -> int:
        checkpoints = Vault(self.run_dir / "pretrain").checkpoints()
        return checkpoints[-1].step if checkpoints else 0

    def ended(self, other: psutil.Process) -> tuple[int, str]:
        """(exit code, what was printed); the other process is gone as well."""
        printed, _ = self.process.communicate(timeout=60)
        psutil.wait_procs([other], timeout=10)
        assert not other.is_running()
        return self.process.returncode, printed


@pytest.fixture
def run(tmp_path: Path, corpus_folder: Path) -> Callable[..., Started]:
    """A run that is begun, and gone on with by each start."""
    recipe = tmp_path / "two.yaml"
    recipe.write_text(RECIPE.replace("CORPUS", str(corpus_folder)))
    return lambda *words: Started(recipe, tmp_path / "run", *words)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["the first", "all", "the other"])
def test_who_is_asked_to_stop_does_not_matter(run: Callable[..., Started], to: str) -> None:
    started = run()
    other = started.until_saved()
    if to == "all":
        os.killpg(started.process.pid, signal.SIGINT)  # a Ctrl-C
    else:
        os.kill(started.process.pid if to == "the first" else other.pid, signal.SIGTERM)
    code, printed = started.ended(other)
    assert code == ExitCode.STOPPED, printed
    assert printed.count("stopped by") == 1, "one of them speaks"
    assert "everything is saved" in printed
    newest = Vault(started.run_dir / "pretrain").checkpoints()[-1]
    steps = [record["step"] for record in read(started.run_dir / "journal") if record["kind"] == "step"]
    assert (newest.step, newest.manifest.world_size) == (steps[-1], 2)


@pytest.mark.slow
def test_one_that_is_killed_ends_the_run_which_says_so_and_can_go_on(run: Callable[..., Started]) -> None:
    started = run()
    other = started.until_saved()
    other.kill()
    code, printed = started.ended(other)
    assert code == ExitCode.FAILED
    assert f"process {other.pid} of this run was ended by SIGKILL" in printed
    assert "run the same command again" in printed
    again = run()
    other = again.until_saved()
    again.process.kill()
    code, printed = again.ended(other)
    assert code == -signal.SIGKILL
    assert "gone" not in printed


@pytest.mark.slow
def test_what_several_made_one_makes_again_to_the_bit(run: Callable[..., Started], tmp_path: Path) -> None:
    words = ("pretrain.steps=24", "model.dropout=0.1", "pretrain.micro_batch_rows=1", "model.num_layers=2")
    started = run(*words)
    printed, _ = started.process.communicate(timeout=120)
    assert started.process.returncode == 0, printed
    assert kept(started.run_dir) is not None
    ended = subprocess.run(
        [sys.executable, "-m", "holdfast", "replay", str(started.run_dir), "--json"], capture_output=True, text=True
    )
    (stage,) = json.loads(ended.stdout)["stages"]
    assert (ended.returncode, stage["equal"], stage["steps_compared"], stage["exactness"]) == (0, True, 24, None)


@pytest.mark.slow
def test_a_signal_before_anybody_listens_is_heard_then(run: Callable[..., Started]) -> None:
    started = run()
    while not (others := psutil.Process(started.process.pid).children()):
        assert started.process.poll() is None, started.process.communicate()
    os.killpg(started.process.pid, signal.SIGTERM)
    code, printed = started.ended(others[0])
    assert code == ExitCode.STOPPED, printed
