"""Several processes in one run, started as a launcher starts them: the first leads, the others leave as it does."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.base.faults import ExitCode
from holdfast.journal.journal import lineage, read
from holdfast.stages import assemble
from holdfast.stages.recipe import resolve
from holdfast.stages.run import holder, locked
from holdfast.vault.store import Vault

RECIPE = """
extends: smoke
precision: fp32
corpus: {path: CORPUS}
model: {size: tiny, hidden_size: 16, num_layers: 1, num_heads: 2, num_kv_heads: 1, intermediate_size: 32,
        context_length: 32}
pretrain: {steps: 8, batch_tokens: 128, eval_steps: 4, eval_tokens: 200}
sft: {enabled: false}
"""

# Loaded by python itself when it starts: ends a rank that is not the first when it opens a file of the run for writing,
# or creates, renames or deletes one.
GUARD = """
import os, sys
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
def watch(event, arguments):
    path = os.fspath(arguments[0]) if arguments and isinstance(arguments[0], (str, os.PathLike)) else ""
    if os.path.abspath(path).startswith(os.environ["GUARDED"]):
        if event in CHANGES or event == "open" and arguments[2] & FLAGS:
            os.write(2, f"{event} {path}".encode())
            os._exit(99)
if os.environ["RANK"] != "0":
    sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class Ranks:
    """Where the recipe is and how to run it in several processes."""

    recipe: Path

    def run(self, run_dir: Path, *words: str, world: int = 2, **environment: str) -> list[tuple[int, str]]:
        """The pipeline up to pretraining; (exit code, what was printed) of each rank."""
        command = [sys.executable, "-m", "holdfast", "run", str(self.recipe), "--run-dir", str(run_dir)]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
        ranks = [
            subprocess.Popen(
                [*command, "--until", "pretrain", *words],
                env={**common, **environment, "RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(world)
        ]
        printed = [rank.communicate(timeout=120)[0] for rank in ranks]
        return [(rank.returncode, text) for rank, text in zip(ranks, printed, strict=True)]


@pytest.fixture
def ranks(tmp_path: Path, corpus_folder: Path) -> Ranks:
    recipe = tmp_path / "ranks.yaml"
    recipe.write_text(RECIPE.replace("CORPUS", str(corpus_folder)))
    return Ranks(recipe)


def steps(run_dir: Path) -> list[dict[str, Any]]:
    return [record for record in lineage(read(run_dir / "journal")) if record["kind"] == "step"]


@pytest.mark.slow
def test_the_first_rank_writes_and_the_others_touch_no_file(ranks: Ranks, tmp_path: Path) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    guard = {"PYTHONPATH": f"{tmp_path / 'guard'}:{os.environ.get('PYTHONPATH', '')}", "GUARDED": str(tmp_path / "run")}
    # A budget, so that the step is measured first, by all of them.
    (led, told), (followed, silence) = ranks.run(tmp_path / "run", "pretrain.steps=null", "budget=1s", **guard)
    assert (led, followed, silence) == (0, 0, ""), told + silence
    assert "2 processes" in told
    horizon = json.loads((tmp_path / "run/pretrain/horizon.json").read_text())["total_steps"]
    newest = Vault(tmp_path / "run/pretrain").checkpoints()[-1]
    assert (newest.step, newest.manifest.world_size) == (horizon, 2)
    assert newest.manifest.exactness["world_size"] == 2
    assert [step["step"] for step in steps(tmp_path / "run")] == list(range(1, horizon + 1))


@pytest.mark.slow
def test_all_stop_at_one_step_whoever_was_asked_and_leave_alike(ranks: Ranks, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    ended = ranks.run(run_dir, HOLDFAST_FAULTS="term@3:rank=1")
    assert [code for code, _ in ended] == [ExitCode.STOPPED] * 2, ended
    vault = Vault(run_dir / "pretrain")
    assert [checkpoint.step for checkpoint in vault.checkpoints()] == [3]
    assert len(steps(run_dir)) == 3
    assert holder(run_dir) is None
    for file in vault.checkpoints()[0].path.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1])
    ended = ranks.run(run_dir)
    assert [code for code, _ in ended] == [ExitCode.NO_VALID_CHECKPOINT] * 2, ended


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_when_one_is_killed_the_others_end_and_the_work_is_kept(ranks: Ranks, tmp_path: Path, killed: int) -> None:
    ended = ranks.run(tmp_path / "run", HOLDFAST_FAULTS=f"kill@3:rank={killed}")
    assert ended[killed][0] == -9
    code, told = ended[1 - killed]
    assert code == ExitCode.FAILED
    assert "another process of this run is gone" in told
    assert "run the same command again" in told
    saved = [checkpoint.step for checkpoint in Vault(tmp_path / "run/pretrain").checkpoints()]
    assert saved == ([3] if killed else [])  # what the first rank knew when it noticed
    assert [code for code, _ in ranks.run(tmp_path / "run")] == [0, 0]


@pytest.mark.slow
def test_what_the_first_rank_refuses_ends_all_of_them(ranks: Ranks, tmp_path: Path) -> None:
    ended = ranks.run(tmp_path / "run", "pretrain.batch_tokens=32")
    assert [code for code, _ in ended] == [ExitCode.USAGE] * 2
    assert "gets no row" in ended[0][1]
    with locked(tmp_path / "held"):
        (led, told), (followed, silence) = ranks.run(tmp_path / "held")
    assert (led, followed, silence) == (ExitCode.FAILED, ExitCode.FAILED, "")
    assert "in use by" in told


def test_ranks_on_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(assemble, "cores", lambda: 8)
    for name, value in {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    found = {}
    try:
        for words in ([], ["threads=3"]):
            assemble.settle_machine(resolve("demo", words).recipe)
            found[tuple(words)] = torch.get_num_threads()
        monkeypatch.setenv("OMP_NUM_THREADS", "6")  # a person chose that: torchrun would have said 1
        torch.set_num_threads(6)
        assemble.settle_machine(resolve("demo").recipe)
        found["chosen"] = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    assert found == {(): 4, ("threads=3",): 3, "chosen": 6}


@pytest.mark.slow
def test_a_rank_that_hangs_is_found_out_and_all_of_them_say_where_they_were(ranks: Ranks, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    words = ("alarms.hang_minutes=0.05", "alarms.on_hang=exit")
    codes = [code for code, _ in ranks.run(run_dir, *words, HOLDFAST_FAULTS="hang@3:rank=1")]
    assert codes == [ExitCode.STOPPED, ExitCode.STOPPED]
    (alarm,) = [each for each in read(run_dir / "journal") if each.get("event") == "alarm"]
    assert alarm["alarm"] == "hang"
    waiting, stuck = (path.read_text() for path in sorted((run_dir / "journal").glob("hang-*.txt")))
    assert "in all_reduce" in waiting
    assert "train/sabotage.py" in stuck
    assert [code for code, _ in ranks.run(run_dir)] == [ExitCode.DONE, ExitCode.DONE]


def test_a_container_with_fewer_cores_than_its_machine_gets_fewer_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS")
    try:
        for here, expected in ((2, 2), (3, 3), (64, 4)):
            torch.set_num_threads(4)
            monkeypatch.setattr(assemble, "cores", lambda allowed=here: allowed)
            assemble.settle_machine(resolve("demo").recipe)
            assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)
