"""How many processes a run trains in: asked of the recipe, of the run, of the cache, and of a measurement last."""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.base.machine import Memory
from holdfast.disk.places import VARIABLE
from holdfast.stages import processes
from holdfast.stages.processes import Division, Question, Speeds, divide, fastest, foreseen, keep, kept
from holdfast.stages.recipe import Recipe, resolve

LONG = (
    "corpus.generator=harbour",
    "sft.enabled=false",
    "model.context_length=512",
    "pretrain.steps=90_000",
    "pretrain.batch_tokens=4096",
)


class Measure:
    """Knows what is fastest, and what it was asked."""

    def __init__(self, **speeds: float) -> None:
        self.speeds = {int(name.removeprefix("by")): speed for name, speed in speeds.items()}
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> Speeds:
        self.asked.append(question)
        return self.speeds


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One with two cores, without a GPU, with an empty cache."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(processes, "cores", lambda: 2)
    monkeypatch.setattr(processes, "_has_gpu", lambda: False)


def recipe(*words: str) -> Recipe:
    latest = {word.partition("=")[0]: word for word in (*LONG, *words)}
    return resolve("smoke", [*latest.values()]).recipe


def test_what_is_fastest_is_measured_once_on_a_machine(tmp_path: Path) -> None:
    measure = Measure(by1=4900.0, by2=5900.0)
    division = divide(recipe(), tmp_path / "run", measure)
    assert division == Division(2, 1, 2, "5,900 tokens/s, 1 process x 2 threads 4,900")
    assert division.words == "2 processes x 1 thread on 2 cores: 5,900 tokens/s, 1 process x 2 threads 4,900"
    (question,) = measure.asked
    assert (question.rows, question.candidates, question.precision) == (8, [1, 2], "fp32")
    assert divide(recipe("pretrain.steps=9000"), tmp_path / "other", measure) == division
    assert len(measure.asked) == 1
    divide(recipe("pretrain.batch_tokens=8192"), tmp_path / "third", measure)
    assert len(measure.asked) == 2, "another batch is another question"


def test_a_measurement_that_failed_is_not_remembered(tmp_path: Path) -> None:
    measure = Measure()
    assert divide(recipe(), tmp_path, measure).processes == 1
    assert divide(recipe(), tmp_path, Measure(by1=1.0, by2=2.0)).processes == 2


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [({1: 100.0, 2: 102.0}, 1), ({1: 100.0, 2: 104.0}, 2), ({1: 90.0, 2: 104.0, 4: 106.0}, 2), ({2: 1.0}, 2), ({}, 1)],
)
def test_more_processes_must_be_faster_by_more_than_noise(speeds: Speeds, expected: int) -> None:
    assert fastest(speeds, 4).processes == expected
    assert fastest(speeds, 4).threads == 4 // expected


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("pretrain.steps=50",), "the run is short"),
        (("pretrain.steps=off", "pretrain.tokens=300000"), "the run is short"),
        (("pretrain.steps=off", "budget=2min"), "the run is short"),
        (("threads=2",), "threads is set"),
        (("device=cuda",), "training is on the GPU"),
        (("pretrain.batch_tokens=512",), "the batch or the memory is too small for more"),
    ],
)
def test_where_there_is_nothing_to_gain_nothing_is_measured(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    measure = Measure(by1=1.0, by2=2.0)
    division = divide(recipe(*words), tmp_path, measure)
    assert (division.processes, division.why, measure.asked) == (1, why, [])


def test_a_long_budget_and_many_epochs_are_worth_it(tmp_path: Path) -> None:
    measure = Measure(by1=1.0, by2=2.0)
    assert divide(recipe("pretrain.steps=off", "budget=10min"), tmp_path, measure).processes == 2
    (tmp_path / "text.txt").write_text("It was the best of times.\n" * 4000)
    words = ("corpus.generator=off", f"corpus.path={tmp_path / 'text.txt'}", "pretrain.steps=off")
    assert divide(recipe(*words, "pretrain.epochs=1"), tmp_path, measure).processes == 1
    assert divide(recipe(*words, "pretrain.epochs=40_000"), tmp_path, measure).processes == 2


def test_what_is_known_serves_a_shorter_run(tmp_path: Path) -> None:
    assert divide(recipe("pretrain.steps=off", "budget=2min"), tmp_path, Measure()).processes == 1
    assert divide(recipe("pretrain.steps=off", "budget=10min"), tmp_path, Measure(by1=1.0, by2=2.0)).processes == 2
    assert divide(recipe("pretrain.steps=off", "budget=2min"), tmp_path, Measure()).processes == 2
    assert divide(recipe("pretrain.steps=off", "budget=30s"), tmp_path, Measure()).processes == 1


def test_short_memory_is_no_place_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "memory", lambda: Memory(2**30, 2**29))
    assert divide(recipe(), tmp_path, Measure(by1=1.0, by2=2.0)).processes == 1


def test_on_many_cores_a_few_ways_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 48)
    measure = Measure(by1=1.0, by4=9.0)
    assert divide(recipe("pretrain.batch_tokens=65536"), tmp_path, measure).threads == 12
    assert list(measure.asked[0].candidates) == [1, 2, 4, 8, 16]


def test_a_run_stays_with_what_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    first = divide(recipe(), run, Measure(by1=1.0, by2=2.0))
    assert keep(run, first)
    assert not keep(run, first)
    (tmp_path / "cache" / "speeds").rename(tmp_path / "gone")
    assert divide(recipe("pretrain.steps=50"), run, Measure(by1=2.0, by2=1.0)) == first == kept(run)
    monkeypatch.setattr(processes, "cores", lambda: 4)
    assert divide(recipe(), run, Measure(by1=1.0, by2=2.0, by4=4.0)).processes == 4, "elsewhere it is found out again"
    assert divide(recipe("processes=2"), run, Measure()) == Division(2, 2, 4, "from the recipe")


def test_a_run_that_began_in_one_process_stays_in_one(tmp_path: Path) -> None:
    (tmp_path / "pretrain" / "checkpoints" / "some").mkdir(parents=True)
    assert divide(recipe(), tmp_path, Measure(by1=1.0, by2=2.0)).why == "the run was begun so"


def test_more_processes_than_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeFault, match="a batch has 8 rows"):
        divide(recipe("processes=9"), tmp_path, Measure())


def test_the_plan_says_what_will_be_found_out(tmp_path: Path) -> None:
    assert foreseen(recipe(), tmp_path) == (
        "1 process x 2 threads or 2 processes x 1 thread: a few steps at the start of the run tell which is faster"
    )
    divide(recipe(), tmp_path, Measure(by1=1.0, by2=2.0))
    assert foreseen(recipe(), tmp_path).startswith("2 processes x 1 thread on 2 cores: 2 tokens/s")
    assert not (tmp_path / "processes.json").exists()


@pytest.mark.slow  # a fresh interpreter
def test_torch_is_not_waited_for() -> None:
    code = "import sys, holdfast.launch.processes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
