"""Killed anywhere, as often as you like, a run ends with the same bits as one that nobody disturbed."""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode
from holdfast.journal.journal import lineage, read

from .conftest import Trial, digests, holdfast

pytestmark = pytest.mark.slow


def steps(run_dir: Path) -> list[tuple[Any, ...]]:
    """What the journal's surviving lines say of every step."""
    kept = ("stage", "step", "loss", "grad_norm", "learning_rate", "tokens")
    records = lineage(read(run_dir / "journal"))
    return [tuple(record[key] for key in kept) for record in records if record["kind"] == "step"]


def checkpoints(run_dir: Path) -> list[Path]:
    """The committed checkpoints of pretraining, oldest first, while somebody else is writing more."""
    folder = run_dir / "pretrain" / "checkpoints"
    names = os.listdir(folder) if folder.exists() else []
    return [folder / name for name in sorted(names) if name.startswith("step-")]


def begun_training(run_dir: Path, process: Any) -> None:
    """Wait until the process has begun to train, so that it is killed at work and not while it loads."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if (run_dir / "pretrain" / "horizon.json").exists():
            return
        time.sleep(0.02)


def test_killed_at_random_moments_it_ends_with_the_same_bits(trial: Trial, unbroken: Path, tmp_path: Path) -> None:
    chance = random.Random(11)
    run_dir = tmp_path / "run"
    kills = 0
    while kills < 6:
        process = trial.start(run_dir)
        begun_training(run_dir, process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.1, 1.2))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.communicate()
        if process.returncode == 0:
            break
    trial.finish(run_dir)
    assert kills >= 2, "the run was over before it could be disturbed"
    assert digests(run_dir) == digests(unbroken)
    assert steps(run_dir) == steps(unbroken)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_exits_75_and_loses_no_step(
    trial: Trial, unbroken: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run_dir = tmp_path / "run"
    process = trial.start(run_dir)
    while not checkpoints(run_dir):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.STOPPED, out + err
    stopped_at = steps(run_dir)[-1][1]
    assert checkpoints(run_dir)[-1].name.startswith(f"step-{stopped_at:08d}")
    trial.finish(run_dir)
    assert digests(run_dir) == digests(unbroken)


def test_a_finished_run_has_nothing_to_do(trial: Trial, unbroken: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in unbroken.rglob("*") if path.name != "lock"}
    out, err = holdfast("run", str(unbroken)).communicate(timeout=120)
    assert "nothing to do" in out, err
    after = {path: path.stat().st_mtime_ns for path in unbroken.rglob("*") if path.name != "lock"}
    changed = {path.name for path in after if before.get(path) != after[path]}
    assert changed <= {"recipe.yaml", unbroken.name}


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(
    trial: Trial, unbroken: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    process = trial.start(run_dir)
    while len(checkpoints(run_dir)) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.communicate()
    newest = checkpoints(run_dir)[-1]
    weights = newest / "model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    weights.write_bytes(damaged)
    trial.finish(run_dir)
    assert digests(run_dir) == digests(unbroken)
    told = [record for record in read(run_dir / "journal") if newest.name in json.dumps(record)]
    assert any("damaged" in record.get("text", "") for record in told)


def test_a_changed_setting_makes_only_what_depends_on_it_again(trial: Trial, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    short = ("pretrain.steps=12", "sft.steps=8")
    trial.finish(run_dir, *short)
    before = {stage: read_stage(run_dir, stage) for stage in ("corpus", "tokenizer", "tokens", "pretrain", "sft")}
    trial.finish(run_dir, "pretrain.steps=12", "sft.steps=9")
    after = {stage: read_stage(run_dir, stage) for stage in before}
    assert [stage for stage in before if before[stage] != after[stage]] == ["sft"]
    assert list((run_dir / "superseded").glob("sft-*"))
    trial.finish(run_dir, *short)
    assert read_stage(run_dir, "sft") == before["sft"], "changing it back brings the earlier result back"


def read_stage(run_dir: Path, stage: str) -> Any:
    return json.loads((run_dir / stage / "stage.json").read_text())
