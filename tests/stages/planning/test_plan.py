"""The plan as a whole: what it says of a run, and that it says it in the stable form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdfast.stages.planning import plan as planning
from holdfast.stages.planning.plan import Plan, make
from holdfast.stages.planning.probe import Trial
from holdfast.stages.recipe import resolve
from holdfast.stages.run import locked

SMALL = ["threads=1", "device=cpu", "precision=fp32", "model.hidden_size=32", "model.num_layers=1", "sft.steps=20"]


def planned(run_dir: Path, *words: str, measure: bool = True) -> Plan:
    given = {word.split("=")[0] for word in words}
    small = [word for word in SMALL if word.split("=")[0] not in given]
    return make(resolve("smoke", [*small, *words]), run_dir, measure=measure)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Trial:
    """Steps of a tenth of a second, and no model that is trained for it."""
    trial = Trial({"train": 10**9, "evaluate": 1, "sample": 1, "save": 1}, [0.1, 0.1, 0.2], 1e-5, 0.5, 0.25)
    monkeypatch.setattr(planning, "try_out", lambda *arguments: trial)
    return trial


@pytest.mark.slow
def test_what_programs_read_is_there(tmp_path: Path, corpus_folder: Path) -> None:
    found: dict[str, Any] = planned(tmp_path / "run", f"corpus.path={corpus_folder}").to_dict()
    assert found["ready"], found["problems"]
    memory = {"total", "weights", "gradients", "optimizer", "activations", "logits", "cache", "snapshot", "libraries"}
    assert memory <= found["memory_bytes"].keys()
    assert found["memory_bytes"]["total"] == max(found["measured_bytes"].values()) + planning.BESIDE_BYTES
    assert found["seconds"]["low"] < found["seconds"]["expected"] < found["seconds"]["high"]
    disk = dict(found["disk_bytes"])
    assert disk.pop("total") == sum(disk.values())
    assert disk.keys() == {"corpus", "tokens", "checkpoints", "export"}
    assert found["tokens"]["planned"] == 100 * 2048
    assert found["steps"] == {"pretrain": 100, "sft": 20}
    assert any("more text helps more" in note for note in found["notes"])
    assert not (tmp_path / "run").exists()


def test_time_is_added_up(tmp_path: Path, corpus_folder: Path, steady: Trial) -> None:
    words = (f"corpus.path={corpus_folder}", "pretrain.steps=1000", "pretrain.eval_steps=100", "export.to=[]",
             "pretrain.eval_tokens=10k", "pretrain.save_steps=50", "evaluate.bits_per_byte_tokens=1000")  # fmt: skip
    found = planned(tmp_path / "run", *words)
    assert found.step_ms["pretrain"] == pytest.approx(100)
    saves, evaluations = 1000 // 50 + 10 + 1, 11
    assert found.seconds_for["pretrain"] == pytest.approx(100 + evaluations * 0.1 + 0.5 + saves * 0.25)
    assert found.seconds["expected"] == pytest.approx(planning.START_SECONDS + sum(found.seconds_for.values()))
    assert found.seconds["high"] == pytest.approx(2 * found.seconds["expected"]), "as far as the steps lie apart"


def test_a_budget_is_the_answer_itself_or_a_problem(tmp_path: Path, corpus_folder: Path, steady: Trial) -> None:
    words = (f"corpus.path={corpus_folder}", "pretrain.steps=off", "sft.enabled=false", "export.to=[]")
    found = planned(tmp_path / "run", *words, "budget=10min")
    assert found.ready
    assert 0.7 * 600 < found.seconds["expected"] < 600
    short = planned(tmp_path / "run", *words, "budget=3s")
    (problem,) = short.problems
    assert "the budget of 3 s leaves no time for pretrain" in problem["what"]


def test_memory_that_runs_out_in_the_trial(
    tmp_path: Path, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs_out(*arguments: object) -> Trial:
        raise MemoryError

    monkeypatch.setattr(planning, "try_out", runs_out)
    (problem,) = planned(tmp_path / "run", f"corpus.path={corpus_folder}").problems
    assert problem["what"].startswith("training takes ")


def test_what_is_wrong_does_not_hide_the_sizes(tmp_path: Path) -> None:
    found = planned(tmp_path / "run", f"corpus.path={tmp_path / 'nowhere'}")
    assert [problem["what"] for problem in found.problems] == [f"{tmp_path / 'nowhere'} does not exist"]
    assert found.memory_bytes["total"] > found.memory_bytes["libraries"] > 0
    assert found.disk_bytes["checkpoints"] > 0
    assert found.seconds == {}


def test_a_run_that_is_at_work_is_left_alone(tmp_path: Path, corpus_folder: Path) -> None:
    with locked(tmp_path / "run"):
        found = planned(tmp_path / "run", f"corpus.path={corpus_folder}", measure=False)
    assert [problem["what"].split(" by process")[0] for problem in found.problems] == [f"{tmp_path / 'run'} is in use"]
