"""When compiling is tried, what of it is kept, and that a run with compiled layers is exact as well."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode
from holdfast.stages import compiling
from holdfast.stages.compiling import WORTH_TRYING, choose
from holdfast.train.compiled import Pace
from holdfast.train.state import RunState
from holdfast.train.sync import Alone
from tests.train.toy import Ramp, fresh

LONG, SHORT = WORTH_TRYING["cpu"] + 1, WORTH_TRYING["cpu"] - 1
RECIPE = """
extends: smoke
precision: fp32
threads: 1
corpus: {generator: harbour, documents: 200}
model: {size: tiny, hidden_size: 16, num_layers: 2, num_heads: 2, num_kv_heads: 1, intermediate_size: 32,
        context_length: 32, dropout: 0.1}
pretrain: {steps: 12, batch_tokens: 256, micro_batch_rows: 4, recompute: every_second, save_steps: 3, eval_steps: 6,
           eval_tokens: 200}
sft: {enabled: false}
export: {to: []}
"""


@dataclass
class Listening:
    """As much of a run as says something, and what it said."""

    ranks: Alone = field(default_factory=Alone)
    said: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)


@dataclass
class Machine:
    """One on which compiled layers do as they are told. fails: the modes that can not be had."""

    compiled: dict[str, float]
    fails: tuple[str, ...] = ()
    tried: list[str] = field(default_factory=list)

    def compile_layers(self, state: RunState, mode: str) -> None:
        self.tried.append(mode)

    def shortfall(self, state: RunState, batch: Any) -> str | None:
        return "no compiler" if self.tried[-1] in self.fails else None

    def compare(self, state: RunState, batch: Any) -> Pace:
        return Pace(1.0, self.compiled[self.tried[-1]])


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What is chosen on a machine for a training of so many seconds, and what is said."""
    monkeypatch.setenv(compiling.VARIABLE, str(tmp_path))

    def chosen(machine: Machine, seconds: float) -> tuple[str | None, list[str]]:
        for name in ("compile_layers", "shortfall", "compare"):
            monkeypatch.setattr(compiling, name, getattr(machine, name))
        monkeypatch.setattr(compiling, "give_up", lambda state: None)
        monkeypatch.setitem(compiling.MODES_TRIED, "cpu", tuple(machine.compiled))
        run: Any = Listening()
        return choose(run, fresh(), Ramp().batch_at(0), lambda each: seconds), run.said

    return chosen


def test_a_short_training_tries_nothing(outcome: Any) -> None:
    machine = Machine({"default": 0.1})
    assert outcome(machine, SHORT) == (None, [])
    assert not machine.tried


@pytest.mark.parametrize(
    ("machine", "best", "said"),
    [
        (Machine({"default": 0.8}), "default", "20% of the time for gradients is saved (default)"),
        (Machine({"default": 0.99}), None, "nothing is gained"),
        (Machine({"default": 1.3}), None, "nothing is gained"),
        (Machine({"default": 0.8, "reduce-overhead": 0.6}), "reduce-overhead", "40% of"),
        (Machine({"default": 0.8, "reduce-overhead": 0.6}, ("reduce-overhead",)), "default", "not compiled: no comp"),
        (Machine({"default": math.inf}), None, "nothing is gained"),
    ],
)
def test_what_is_faster_is_kept(outcome: Any, machine: Machine, best: str | None, said: str) -> None:
    chosen, lines = outcome(machine, LONG)
    assert chosen == best
    assert said in "\n".join(lines)
    assert machine.tried == list(machine.compiled)


def holdfast(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast", *words]
    here = {**os.environ, "HOLDFAST_CACHE": str(folder / "cache"), **environment}
    here.pop("TORCHINDUCTOR_CACHE_DIR", None)  # of a test that compiled in this process
    return subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=folder, env=here)


def trained(folder: Path, name: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "recipe.yaml").write_text(RECIPE)
    return holdfast(folder, "run", "recipe.yaml", "--run-dir", name, "--until", "pretrain", *words, **environment)


def digests(folder: Path, name: str) -> Any:
    return json.loads(holdfast(folder, "ckpt", "show", f"{name}:pretrain", "--json").stdout)["digests"]


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="there is no C++ compiler here")
def test_a_compiled_run_that_was_killed_ends_with_the_same_bits(tmp_path: Path) -> None:
    unbroken = trained(tmp_path, "unbroken", "compile=on")
    assert unbroken.returncode == 0, unbroken.stderr
    assert "not compiled" not in unbroken.stdout + unbroken.stderr
    assert any((tmp_path / "cache" / "compiled").iterdir())
    assert trained(tmp_path, "killed", "compile=on", HOLDFAST_FAULTS="kill@8").returncode < 0
    resumed = trained(tmp_path, "killed", "compile=on")
    assert resumed.returncode == 0, resumed.stderr
    assert "may differ" not in resumed.stdout + resumed.stderr
    assert digests(tmp_path, "killed") == digests(tmp_path, "unbroken")
    assert holdfast(tmp_path, "replay", "unbroken").returncode == ExitCode.DONE
    assert trained(tmp_path, "killed2", "compile=on", HOLDFAST_FAULTS="kill@8").returncode < 0
    other = trained(tmp_path, "killed2", "compile=off")
    assert "compiled was default and is None" in other.stdout + other.stderr


@pytest.mark.slow
def test_without_a_compiler_a_run_goes_on_as_it_is_written(tmp_path: Path) -> None:
    ended = trained(tmp_path, "without", "compile=on", "kernels=off", CXX="no-such-compiler", PATH=str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert (ended.stdout + ended.stderr).count("pretrain: layers are not compiled: ") == 1
    assert trained(tmp_path, "off", "compile=off", "kernels=off").returncode == 0
    assert digests(tmp_path, "without") == digests(tmp_path, "off")
    plain = trained(tmp_path, "plain", "compile=off", PATH=str(tmp_path))
    assert "without compiled kernels: no C compiler is installed" in plain.stdout + plain.stderr
    assert digests(tmp_path, "plain") == digests(tmp_path, "off")
