"""TensorBoard's own reader sees exactly what the journal says, however often the run was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from holdfast.journal.journal import Journal
from holdfast.journal.sinks.tensorboard import TensorBoard


class Run:
    """One start of a run: a journal and the sink that follows it."""

    def __init__(self, directory: Path) -> None:
        self.journal = Journal.open(directory / "journal")
        self.sink = TensorBoard(directory)

    def record(self, kind: str, **fields: Any) -> None:
        self.sink.take(self.journal.append(kind, **({"stage": "pretrain"} | fields)))

    def steps(self, first: int, last: int, offset: float = 0.0) -> None:
        for step in range(first, last + 1):
            self.record("step", step=step, loss=step + offset, learning_rate=1e-3, step_ms=2, verdict="apply")

    def end(self) -> None:
        self.sink.close()
        self.journal.close()


def scalars(directory: Path, tag: str, stage: str = "pretrain") -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in accumulated(directory, stage).Scalars(tag)]


def accumulated(directory: Path, stage: str = "pretrain") -> EventAccumulator:
    found = EventAccumulator(str(directory / "tensorboard" / stage), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    return found


def test_what_a_step_measured_is_there(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.record("event", event="stage_start")
    run.steps(1, 3)
    run.record("eval", step=3, name="validation", metric="bits_per_byte", value=1.5)
    run.record("eval", step=3, name="validation", metric="bits_per_byte", value=1.25, of="sft", stage="evaluate")
    run.end()
    assert scalars(tmp_path, "train/loss") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert scalars(tmp_path, "validation/bits_per_byte") == [(3, 1.5)]
    assert scalars(tmp_path, "sft/validation/bits_per_byte", "evaluate") == [(3, 1.25)]
    assert scalars(tmp_path, "train/learning_rate")[0][1] == pytest.approx(1e-3)
    tags = accumulated(tmp_path).Tags()["scalars"]
    assert {"train/perplexity", "speed/step_ms"} <= set(tags)


def test_events_carry_the_time_of_the_record(tmp_path: Path) -> None:
    run = Run(tmp_path)
    record = run.journal.append("step", stage="pretrain", step=1, loss=1.0)
    run.sink.take(record)
    run.end()
    assert accumulated(tmp_path).Scalars("train/loss")[0].wall_time == pytest.approx(record["time"], abs=1e-3)


def test_samples_are_text_and_not_markdown(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.record("sample", step=4, prompt="# The\ntide", text=" <b>rose</b>\nhigh", form="continuation")
    run.end()
    found = accumulated(tmp_path)
    (tag,) = found.Tags()["tensors"]
    assert tag == "samples/# The tide"
    text = make_ndarray(found.Tensors(tag)[0].tensor_proto).item()
    assert text.decode() == "    # The\n    tide <b>rose</b>\n    high"


def test_a_resumed_run_has_no_duplicates_and_no_gaps(tmp_path: Path) -> None:
    first = Run(tmp_path)
    first.steps(1, 4)
    first.record("checkpoint", step=4)
    first.steps(5, 9)
    first.journal.close()  # killed: the sink is never closed

    second = Run(tmp_path)
    second.record("event", event="resume", step=4)
    second.steps(5, 6, offset=0.5)
    second.record("event", event="resume", step=4)  # taken back once more, within one start
    second.steps(5, 7, offset=0.25)
    second.end()
    first.sink.close()
    wanted = [(step, float(step)) for step in range(1, 5)] + [(5, 5.25), (6, 6.25), (7, 7.25)]
    for old in (tmp_path / "tensorboard" / "pretrain").glob("*"):
        assert old.name.startswith("events.out.tfevents.")
    assert scalars(tmp_path, "train/loss") == wanted


def test_a_stage_done_anew_starts_anew_and_others_are_left_alone(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for stage in ("pretrain", "sft"):
        run.record("event", event="stage_start", stage=stage)
        for step in (1, 2):
            run.record("step", step=step, loss=1.0, stage=stage)
    run.end()
    again = Run(tmp_path)
    again.record("event", event="stage_start", stage="sft")
    again.record("step", step=1, loss=7.0, stage="sft")
    again.end()
    assert scalars(tmp_path, "train/loss", "sft") == [(1, 7.0)]
    assert scalars(tmp_path, "train/loss") == [(1, 1.0), (2, 1.0)]


def test_a_loss_that_is_not_finite_and_strange_records_do_no_harm(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.record("step", step=1, loss=float("nan"))
    run.record("step", step=2, loss=None)
    run.record("step", step="three")
    run.record("eval", step=2, value=None)
    run.record("note", stage="../../outside", step=1)
    run.record("step", stage="../../outside", step=1, loss=1.0)
    run.record("step", stage=None, step=1, loss=1.0)
    run.end()
    assert [step for step, _ in scalars(tmp_path, "train/loss")] == [1]
    assert [path.name for path in (tmp_path / "tensorboard").iterdir()] == ["pretrain"]


def test_nothing_is_created_before_there_is_something_to_show(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.record("event", event="stage_start")
    run.end()
    assert not (tmp_path / "tensorboard").exists()


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    folder = tmp_path / "tensorboard" / "pretrain"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    run = Run(tmp_path)
    run.steps(1, 1)
    run.end()
    assert (folder / "notes.txt").read_text() == "mine"
