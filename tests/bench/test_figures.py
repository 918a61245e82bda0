"""What is made of measured runs: which count, and what they come to."""

import json
import runpy
from pathlib import Path

import pytest

from holdfast.bench.figures import Measured, Shape, alike, pairs, spread, summary
from holdfast.bench.rounds import SCHEMA, Trial, result, table, write

SPEED = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "speed.py"))


def run(number: int, system: str, before: float, after: float, speed: float) -> Measured:
    return Measured(number, system, before, after, {"tokens_per_second": speed})


def test_the_formula_counts_matrices_and_causal_attention_once_forward_and_twice_backward() -> None:
    shape = Shape(layers=4, width=256, vocab=8192, context=512, rows=8)
    assert shape.flops_per_token == 6 * (12 * 4 * 256**2 + 8192 * 256) + 6 * 4 * 512 * 256
    assert shape.batch_tokens == 4096


@pytest.mark.parametrize(("probes", "same"), [((100, 86), True), ((100, 84), False), ((84, 100, 99), False)])
def test_a_machine_is_the_same_within_fifteen_percent(probes: tuple[float, ...], same: bool) -> None:
    assert alike(*probes) == same


def test_a_run_on_a_changing_machine_does_not_count_and_a_pair_needs_one_machine() -> None:
    runs = [
        run(0, "holdfast", 100, 98, 50),
        run(0, "peer", 98, 99, 40),
        run(1, "peer", 99, 60, 10),  # the machine slowed down meanwhile
        run(1, "holdfast", 60, 61, 30),
        run(2, "holdfast", 100, 100, 60),
        run(2, "peer", 80, 80, 40),  # each on a steady machine, but not the same one
    ]
    assert [mine.round for mine, _ in pairs(runs, "holdfast", "peer")] == [0]
    found = summary(runs)
    assert found["ratios"]["peer"]["tokens_per_second"] == {"median": 1.25, "low": 1.25, "high": 1.25, "n": 1}
    assert found["systems"]["peer"]["tokens_per_second"] == spread([40, 40])
    assert found["systems"]["holdfast"]["tokens_per_second"] == spread([50, 30, 60])
    assert found["dropped"] == {"holdfast": 0, "peer": 1, "holdfast / peer": 2}
    assert len(found["runs"]) == 6


def test_systems_take_turns_and_rounds_are_added_for_those_that_were_dropped() -> None:
    probes = iter([100.0, 100, 50, 50, 50, 50, 50, 50, 50])  # the first round's second run meets another machine
    order = []

    def once(name: str, number: int) -> dict[str, float]:
        order.append((number, name))
        return {"tokens_per_second": 1.0}

    runs = Trial(rounds=2, probe=lambda: next(probes)).interleave(["holdfast", "peer"], once)
    assert order == [(0, "holdfast"), (0, "peer"), (1, "peer"), (1, "holdfast"), (2, "holdfast"), (2, "peer")]
    assert len(list(pairs(runs, "holdfast", "peer"))) == 2


def test_it_gives_up_after_twice_as_many_rounds() -> None:
    probes = iter(float(2**number) for number in range(20))
    runs = Trial(rounds=2, probe=lambda: next(probes)).interleave(["holdfast"], lambda name, number: {"speed": 1.0})
    assert len(runs) == 4
    assert summary(runs)["systems"] == {"holdfast": {}}


def test_a_result_names_all_and_comes_back_as_it_was_written(tmp_path: Path) -> None:
    runs = [run(0, "holdfast", 100, 101, 50), run(0, "peer", 101, 102, 40)]
    found = result("train", {"torch": "2.13.0"}, {"size": "A"}, runs)
    assert found["schema"] == SCHEMA
    assert found["peak_gflops"] == 102
    assert json.loads(write(tmp_path, "train-a", found).read_text("utf-8")) == found
    columns, rows = table(found)
    assert columns == ["system", "tokens per second", "holdfast / it", "runs", "dropped"]
    assert rows[1] == ["peer", "40 (40 to 40)", "1.25 (1.25 to 1.25)", "1", "0"]


def test_systems_need_not_have_the_same_figures() -> None:
    runs = [Measured(0, "holdfast", 1, 1, {"encode": 4.0, "learn": 6.0}), Measured(0, "peer", 1, 1, {"learn": 3.0})]
    _, rows = table(result("tokenize", {}, {}, runs))
    assert rows[1] == ["peer", "-", "3 (3 to 3)", "2 (2 to 2)", "1", "0"]


def test_the_readme_shows_what_was_measured_and_nothing_else(tmp_path: Path) -> None:
    assert SPEED["table"](tmp_path) == "\n"
    about = {"processor": "P", "cores": 2, "torch": "2.13.0", "git_commit": "abc"}
    runs = [run(0, "holdfast", 100, 101, 5000), run(0, "peer", 101, 102, 4000)]
    write(tmp_path, "train-a", result("train", about, {}, runs))
    shown = SPEED["table"](tmp_path)
    assert "| tokens/s in training, 4 layers x 256 | 5,000 | 4,000 (1.25x) |" in shown
    assert "6 layers" not in shown
    assert "`train-a` at abc" in shown
