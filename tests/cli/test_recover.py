"""`holdfast recover`: what is good, what broke, what is lost, and a command that does go on."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.disk.files import fingerprint
from holdfast.stages.run import locked

from .conftest import Small, digests, events, holdfast, record

pytestmark = pytest.mark.slow

Copy = Callable[[str], Path]
KILLED = -9


def report(run_dir: Path) -> dict[str, Any]:
    ended = holdfast("recover", run_dir, "--json")
    assert ended.code == 0, ended
    text = holdfast("recover", run_dir)
    assert text.code == 0
    assert (f"go on with: {ended.json['command']}" in text.out) == (ended.json["command"] is not None)
    return dict(ended.json)


def stage(found: dict[str, Any], name: str = "pretrain") -> dict[str, Any]:
    return next(dict(each) for each in found["stages"] if each["stage"] == name)


def go_on(found: dict[str, Any], where: Path) -> None:
    """Type the command into a shell, as a person would, from the directory in which it was shown."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(found["command"], shell=True, cwd=where, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def break_all(run_dir: Path) -> None:
    for weights in (run_dir / "pretrain" / "checkpoints").glob("*/model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1])


def test_a_run_that_was_stopped(small: Small) -> None:
    found = report(small.half)
    assert (found["state"], found["stage"]) == ("stopped", "pretrain")
    assert stage(found)["last_good"] == {"path": "pretrain/checkpoints/step-00000007.i01", "step": 7}
    assert found["lost"] == {"steps": 0, "seconds": 0}
    assert shlex.split(found["command"])[-2:] == ["run", str(small.half)]


def test_a_run_that_was_killed_in_a_folder_with_an_odd_name(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "it's a *place* with $HOME"
    place.mkdir()
    monkeypatch.chdir(place)
    run_dir = Path("rün 1")
    words = ["run", str(small.recipe), "--run-dir", str(run_dir), "sft.enabled=false", "checkpoints.background=false"]
    script = "import sys; from holdfast.cli.main import main; main(sys.argv[1:])"
    environment = os.environ | {"HOLDFAST_FAULTS": "kill@8"}
    process = subprocess.run([sys.executable, "-c", script, *words], env=environment, capture_output=True)
    assert process.returncode == KILLED
    found = report(run_dir)
    assert (found["state"], stage(found)["status"]) == ("stopped", "interrupted")
    assert stage(found)["last_good"]["step"] == 6
    assert found["lost"]["steps"] == 2
    assert found["lost"]["seconds"] > 0
    assert "killed" in found["broke"][-1]["text"]
    go_on(found, place)
    assert digests(run_dir) == digests(small.base)


def test_damaged_ones_are_named_and_passed_over(copy: Copy) -> None:
    half = copy("half")
    weights = half / "pretrain" / "checkpoints" / "step-00000007.i01" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    found = report(half)
    (damaged,) = stage(found)["damaged"]
    assert damaged["path"] == "pretrain/checkpoints/step-00000007.i01"
    assert "bytes long" in damaged["why"]
    assert stage(found)["last_good"]["step"] == 6
    assert found["lost"]["steps"] == 1
    assert holdfast("run", half, faults="term@9").code == 75
    (damaged,) = stage(report(half))["damaged"]
    assert damaged["path"] == "pretrain/quarantine/step-00000007.i01"
    assert "bytes long" in damaged["why"]


def test_when_none_is_valid_it_says_so_and_everything_is_kept(small: Small, copy: Copy, tmp_path: Path) -> None:
    half = copy("half")
    break_all(half)
    found = report(half)
    assert stage(found)["last_good"] is None
    assert len(stage(found)["damaged"]) == 3
    assert found["lost"]["steps"] == 7
    assert any("backup" in line for line in found["advice"])
    assert holdfast("run", half).code == 78
    go_on(report(half), tmp_path)
    assert digests(half) == digests(small.base)
    assert len(list(half.glob("superseded/pretrain-*/*/step-*.i01"))) == 3


def test_a_run_that_diverged_is_taken_back_and_slowed(small: Small, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    ended = small.run(run_dir, "guard.max_rollbacks=0", faults=",".join(f"nan@{step}" for step in range(8, 16)))
    assert ended.code == 70
    found = report(run_dir)
    assert found["state"] == "diverged"
    assert [each["what"] for each in found["broke"]].count("skip") == 5
    assert found["broke"][-1]["what"] == "stage_failed"
    assert "pretrain.optimizer.learning_rate=0.0005" in found["command"]
    go_on(found, tmp_path)
    assert [each["step"] for each in events(run_dir, "fork")] == [6]
    assert record(run_dir)["status"] == "done"


def test_a_newer_format_is_no_damage(copy: Copy) -> None:
    half = copy("half")
    for manifest in (half / "pretrain" / "checkpoints").glob("*/MANIFEST.json"):
        plain = json.loads(manifest.read_text()) | {"schema": 999}
        del plain["check"]
        manifest.write_text(json.dumps(plain | {"check": fingerprint(plain)}))
    found = report(half)
    assert found["command"] is None
    assert any("newer holdfast" in line for line in found["advice"])
    rows = holdfast("ckpt", "verify", half, "--json").json
    assert all("newer" in row["why"] for row in rows)


def test_nothing_to_recover(small: Small, copy: Copy) -> None:
    assert (report(small.done)["state"], report(small.done)["command"]) == ("done", None)
    half = copy("half")
    with locked(half):
        assert (report(half)["state"], report(half)["command"]) == ("running", None)


def test_what_is_left_of_a_run_that_lost_half_of_itself(copy: Copy) -> None:
    half = copy("half")
    (half / "journal" / "00001.jsonl").write_bytes(b"\x00" * 300 + b"\n")
    shutil.rmtree(half / "tokens")
    found = report(half)
    assert stage(found, "tokens")["status"] == "waiting"
    assert stage(found)["last_good"]["step"] == 7
    assert any(each["what"] == "journal" for each in found["broke"])
    (half / "recipe.yaml").write_text("pretrain: {steps")
    found = report(half)
    assert found["command"] is None
    assert stage(found)["last_good"]["step"] == 7
    assert any("recipe.yaml" in line for line in found["advice"])
    (half / "run.json").write_text("{")
    (half / "recipe.yaml").unlink()
    found = report(half)
    assert {"run.json", "recipe.yaml"} <= {each["what"] for each in found["broke"]}
    assert stage(found)["last_good"]["step"] == 7
