"""`holdfast drill`: a whole one with real processes, and what it says of what it found."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode
from holdfast.cli.drill import row, told
from holdfast.cli.main import main

TINY = shlex.split(
    "threads=1 model.hidden_size=16 model.num_layers=1 model.num_heads=2 model.num_kv_heads=1 model.context_length=32 "
    "model.intermediate_size=32 model.dropout=0.1 pretrain.batch_tokens=128 pretrain.micro_batch_rows=2 "
    "sft.batch_tokens=128 sft.conversations=60"
)


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["drill", *words])
    assert isinstance(left.value.code, int)
    return left.value.code


def found(**changes: Any) -> dict[str, Any]:
    """What a drill came to: well, unless changed."""
    struck = [{"what": "SIGKILL", "exit_code": -9, "steps_made": 7, "steps_saved": 4}] * 2
    stages = [{"stage": "pretrain", "equal": True, "digests": {"model": ["a", "a"], "optimizer": ["b", "b"]}}]
    seconds = {"unbroken": 5.0, "interrupted": 9.0, "faults": 0.0}
    values = {"proved": True, "folder": "runs/x.drill", "steps": {"pretrain": 40}, "planned": 2, "seconds": seconds}
    return values | {"stages": stages, "interruptions": struck, "scores_equal": True, "faults": []} | changes


def fault(**changes: Any) -> dict[str, Any]:
    """What one fault came to: healed, unless changed."""
    values = {"fault": "nan@12", "exit_codes": [0], "led_to": {"skip": 2}, "same_bits": False, "finite": True}
    return values | {"replayed": True, "validation": {"pretrain": 0.0123}, "broken": []} | changes


def test_what_was_proved_is_said_with_its_numbers() -> None:
    proof, place = told(found())
    assert proof.startswith("proved: interrupted 2 times (2 x SIGKILL)")
    assert "same model, optimizer and scores to the last bit" in proof
    assert place == "the runs: runs/x.drill"
    assert len(list(told(found(folder=None)))) == 1


def test_what_stands_against_it_is_said() -> None:
    stages = [{"stage": "sft", "equal": False, "digests": {"model": ["a", "a"], "optimizer": ["b", "c"]}}]
    lines = list(told(found(proved=False, stages=stages, scores_equal=False, planned=3)))
    assert "1 of 3 interruptions came too late: the run was over" in lines
    assert "the optimizer of sft differs: b undisturbed, c interrupted" in lines
    assert "the evaluation gives other scores" in lines
    assert any(line.startswith("not proved: an interrupted run") for line in lines)


def test_what_a_fault_came_to_is_a_row() -> None:
    healed = ["nan@12", "2 x skip", "0", "healed, replayed to the bit, bits per byte pretrain +1.2%"]
    assert row(fault()) == healed
    traceless = fault(fault="hang@3", led_to={"alarm: hang": 1}, exit_codes=[75, 0], same_bits=True)
    assert row(traceless) == ["hang@3", "alarm: hang", "75 0", "same bits as unbroken"]
    assert row(fault(led_to={}))[1] == "nothing"
    assert row(fault(led_to={}))[3].startswith("not noticed, ")
    broken = fault(exit_codes=[None], broken=["it hangs: no word"])
    assert row(broken)[3] == "NOT KEPT: it hangs: no word"


def test_what_was_not_kept_of_a_fault_is_the_verdict() -> None:
    proof, _ = told(found(faults=[fault(), fault(same_bits=True)]))
    assert "; of 2 faults 1 leave no trace and 1 are healed" in proof
    lines = list(told(found(proved=False, faults=[fault(), fault(fault="oom@7", broken=["it hangs"])])))
    assert "not proved: what is promised of oom@7 was not kept" in lines
    alone = found(interruptions=[], stages=[], planned=0, faults=[fault()])
    assert next(told(alone)).startswith("proved: of 1 faults 0 leave no trace and 1 are healed")


def test_nothing_interrupted_proves_nothing() -> None:
    assert any("nothing was interrupted" in line for line in told(found(proved=False, interruptions=[], planned=0)))


@pytest.mark.parametrize(
    "words",
    [["nowhere"], ["smoke"], ["smoke", "corpus.path=x", "--faults=flood@3"], ["smoke", "corpus.path=x", "--kills=-1"]],
)
def test_a_wrong_drill_is_refused_and_leaves_nothing(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*words) == ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_whole_drill(
    corpus_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("HOLDFAST_FAULTS", "kill@1")  # of whoever starts the drill: none of its business
    words = [f"corpus.path={corpus_folder}", *TINY, "--kills=2", "--faults=nan@5", "--steps=12", "--json"]
    assert call("smoke", *words) == ExitCode.DONE
    proved = json.loads(capsys.readouterr().out)
    assert proved["proved"]
    assert proved["steps"] == {"pretrain": 12, "sft": 12}
    killed, stopped = proved["interruptions"]
    assert (killed["what"], killed["exit_code"]) == ("SIGKILL", -signal.SIGKILL)
    assert (stopped["what"], stopped["exit_code"]) == ("SIGTERM", ExitCode.STOPPED)
    assert killed["steps_saved"] <= killed["steps_made"]
    assert stopped["steps_saved"] == stopped["steps_made"], "who is asked to stop loses nothing"
    assert [each["equal"] for each in proved["stages"]] == [True, True]
    assert proved["folder"] == "runs/smoke.drill"
    assert sorted(proved["runs"]) == ["fault-1-nan", "interrupted", "unbroken"]
    for run in proved["runs"].values():
        assert (tmp_path / run / "report.json").exists()
    (healed,) = proved["faults"]
    assert (healed["fault"], healed["kept"], healed["replayed"]) == ("nan@5", True, True)
    assert healed["led_to"] == {"skip": 2}, "one in each stage"
    assert not healed["same_bits"]
