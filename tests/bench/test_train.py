"""The harness itself, on ourselves: a real run is measured, and what is asked for wrongly is said."""

import json
import sys
from pathlib import Path

import pytest

from holdfast.base.faults import Fault, RecipeFault
from holdfast.bench import train as verb
from holdfast.bench.bench import Bench
from holdfast.bench.child import Watched, plain_environment, watch
from holdfast.bench.loss import attempt
from holdfast.bench.peers import PEERS


def test_speed_is_what_the_ends_of_steps_say() -> None:
    size = verb.SIZES["tiny"]
    tokens = size.shape.batch_tokens
    events = [(100.0 + second, tokens * (number + 1)) for number, second in enumerate((5, 9, 10, 11, 13))]
    found = verb.figures(Watched(started=98.0, seconds=20, memory=3_000_000), events, size, size.shape)
    assert found["first_step_seconds"] == 7
    assert found["tokens_per_second"] == 3 * tokens / 4  # behind the two warm ones
    assert found["step_ms"] == 1000
    assert found["memory_mb"] == 3


@pytest.mark.slow
def test_a_run_of_ours_is_measured_in_rounds(tmp_path: Path) -> None:
    told: list[str] = []
    bench = Bench(tmp_path / "work", tmp_path / "out", rounds=1, tell=told.append)
    found = verb.train(bench, "tiny")
    assert json.loads((tmp_path / "out" / "train-tiny.json").read_text("utf-8")) == found
    assert found["verb"] == "train"
    figures = found["runs"][0]["figures"]
    assert figures["tokens_per_second"] > 0
    assert figures["memory_mb"] > 50
    assert 0 < figures["peak_share"] < 1
    assert figures["first_step_seconds"] > 0
    assert any("round 1, holdfast" in line for line in told)
    assert not (tmp_path / "work" / "run").exists()


def test_a_peer_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecipeFault, match="there is no peer nanochad"):
        Bench(tmp_path, tmp_path, against=("nanochad",)).require_peers()
    with pytest.raises(RecipeFault, match="nanogpt is no package"):
        Bench(tmp_path, tmp_path, against=("nanogpt-compiled",)).require_peers()


def test_a_tuning_of_a_peer_changes_what_it_names() -> None:
    name, tuning = attempt("nanogpt:learning_rate=5e-4")
    assert name == "nanogpt:learning_rate=5e-4"
    assert tuning == {**PEERS["nanogpt"].tuned, "learning_rate": 5e-4}
    for wrong in ("nanogpt", "nanogpt:rows=many", "nobody:rows=3", "nanogpt:dropout=1"):
        with pytest.raises(RecipeFault, match="no tuning"):
            attempt(wrong)


def test_a_program_that_fails_is_told_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="it broke"):
        watch([sys.executable, "-c", "import sys; sys.exit('it broke')"], tmp_path / "log")


@pytest.mark.slow
def test_memory_is_that_of_all_processes_together(tmp_path: Path) -> None:
    hold = "x = bytearray(b'1') * 80_000_000; import time; time.sleep(1.5)"
    both = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}; p.wait()"
    assert watch([sys.executable, "-c", both], tmp_path / "log").memory > 160_000_000


def test_nobody_starts_with_what_was_set_for_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "5000")
    monkeypatch.setenv("HOLDFAST_THIS", "stays")
    found = plain_environment(MORE="1")
    assert "GOMP_SPINCOUNT" not in found
    assert (found["HOLDFAST_THIS"], found["MORE"]) == ("stays", "1")
