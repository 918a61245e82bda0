"""`holdfast replay`: a run made again from its journal is the same to the bit, and one that is not is found out."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.base.faults import ExitCode
from holdfast.journal.lines import decode, encode
from holdfast.stages.inspection import replay

from .conftest import Small, events, holdfast, tree

pytestmark = pytest.mark.slow

Copy = Callable[[str], Path]


def replayed(run_dir: Path, *words: str, equal: bool = True) -> list[dict[str, Any]]:
    """The stages of the report; nothing may be left behind."""
    before = tree(run_dir.parent)
    ended = holdfast("replay", run_dir, "--json", *words)
    assert ended.code == (0 if equal else ExitCode.FAILED), ended
    assert ended.json["equal"] == equal
    assert tree(run_dir.parent) == before
    return list(ended.json["stages"])


def spans(stages: list[dict[str, Any]]) -> list[tuple[str, int, int, int]]:
    return [(each["stage"], each["from_step"], each["to_step"], each["steps_compared"]) for each in stages]


def test_a_finished_run_is_made_again_to_the_bit(small: Small) -> None:
    stages = replayed(small.done)
    assert spans(stages) == [("pretrain", 0, 12, 12), ("sft", 0, 6, 6)]
    assert all(one == other for each in stages for one, other in each["digests"].values())
    assert all(each["exactness"] is None for each in stages)


def test_it_can_begin_with_a_checkpoint(small: Small, tmp_path: Path) -> None:
    assert spans(replayed(small.done, "--from", "pretrain@9", "--work-dir", str(tmp_path))) == [("pretrain", 9, 12, 3)]
    assert not list(tmp_path.iterdir())
    assert spans(replayed(small.done, "--from", "3")) == [("sft", 3, 6, 3)], "the last stage that has it"
    ended = holdfast("replay", small.done, "--from", "pretrain@12")
    assert ended.code == ExitCode.USAGE
    assert "0 to 11" in ended.err
    assert holdfast("replay", small.done, "--from", "pretrain@8").code == ExitCode.USAGE


def test_decisions_are_inputs(small: Small, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    assert small.run(run_dir, faults="nan@3,nan@4,nan@9,term@7").code == ExitCode.STOPPED
    assert holdfast("run", run_dir).code == 0
    (pretrain,) = replayed(run_dir)
    assert pretrain["skipped"] == 3
    assert pretrain["steps_compared"] == 12


def test_a_run_that_went_on_under_other_settings(copy: Copy) -> None:
    half = copy("half")
    words = ("pretrain.batch_tokens=64", "pretrain.steps=14", "pretrain.optimizer.learning_rate=0.004")
    assert holdfast("run", half, *words, "--allow-change", faults="term@9").code == ExitCode.STOPPED
    assert holdfast("run", half, "pretrain.schedule.kind=constant", "--allow-change").code == 0
    assert [each["step"] for each in events(half, "fork")] == [7, 9]
    assert spans(replayed(half)) == [("pretrain", 0, 14, 14)]
    for step in (6, 9):
        assert spans(replayed(half, "--from", str(step))) == [("pretrain", step, 14, 14 - step)]


def test_a_run_that_was_taken_back(copy: Copy) -> None:
    half = copy("half")
    assert holdfast("run", half, "--resume", "3").code == 0
    assert spans(replayed(half)) == [("pretrain", 0, 12, 12)]


def test_a_half_done_run_is_made_again_up_to_its_last_checkpoint(small: Small) -> None:
    assert spans(replayed(small.half)) == [("pretrain", 0, 7, 7)]


def test_what_came_from_another_run_is_made_again_from_there(small: Small, tmp_path: Path) -> None:
    source = str(small.base / "pretrain" / "checkpoints" / "step-00000006.i01")
    run_dir = tmp_path / "run"
    assert small.run(run_dir, "--resume", source, "pretrain.steps=10", "--allow-change").code == 0
    assert spans(replayed(run_dir)) == [("pretrain", 6, 10, 4)]
    shutil.rmtree(run_dir / "pretrain" / "checkpoints" / "step-00000006.i01")
    ended = holdfast("replay", run_dir)
    assert ended.code == ExitCode.USAGE
    assert "before step 6 is not on record" in ended.err
    assert "--from pretrain@STEP: 9" in ended.err


def test_a_journal_that_tells_another_story_is_found_out_at_the_first_step_that_differs(copy: Copy) -> None:
    base = copy("base")
    journal = base / "journal" / "00001.jsonl"
    lines = [decode(line) for line in journal.read_bytes().splitlines(keepends=True)]
    for line in lines:
        if line["kind"] == "step" and line["step"] in (5, 8):
            line["grad_norm"] *= 1 + 2**-50
    journal.write_bytes(b"".join(map(encode, lines)))
    (pretrain,) = replayed(base, equal=False)
    assert pretrain["difference"]["step"] == 5
    assert pretrain["difference"]["what"].startswith("grad_norm")
    assert "step 5 differs" in holdfast("replay", base).out


def test_another_final_state_is_found_out(small: Small, copy: Copy, tmp_path: Path) -> None:
    """The checkpoints of a run that went another way behind the step that is compared last."""
    base = copy("base")
    other = tmp_path / "other"
    assert small.run(other, "pretrain.optimizer.weight_decay=0.2").code == 0
    shutil.rmtree(base / "pretrain" / "checkpoints")
    shutil.copytree(other / "pretrain" / "checkpoints", base / "pretrain" / "checkpoints")
    (pretrain,) = replayed(base, equal=False)
    assert pretrain["steps_compared"] == 12
    assert pretrain["difference"] == {"step": 12, "what": "the model and the optimizer of step-00000012.i01 differ"}


def test_records_that_were_lost_are_counted_and_the_rest_is_compared(copy: Copy) -> None:
    base = copy("base")
    journal = base / "journal" / "00001.jsonl"
    lines = [(decode(line), line) for line in journal.read_bytes().splitlines(keepends=True)]
    journal.write_bytes(b"".join(raw for line, raw in lines if not (line["kind"] == "step" and line["step"] in (1, 5))))
    (pretrain,) = replayed(base)
    assert (pretrain["steps_compared"], pretrain["steps_unknown"]) == (10, 2)


def test_what_the_last_bits_depend_on_is_told(copy: Copy) -> None:
    base = copy("base")
    assert holdfast("run", base, "threads=2").code == 0
    ended = holdfast("replay", base, "--json")
    assert ended.json["stages"][0]["exactness"].startswith("threads was 1 and is 2")  # and no kernels with that


def test_nothing_to_compare_with_and_nowhere_to_write(small: Small, copy: Copy, tmp_path: Path) -> None:
    half = copy("half")
    shutil.rmtree(half / "pretrain" / "checkpoints")
    assert holdfast("replay", half).code == ExitCode.FAILED
    ended = holdfast("replay", small.half, "--work-dir", tmp_path / "nowhere")
    assert ended.code == ExitCode.DISK
    assert "--work-dir" in ended.err


def test_it_can_be_stopped_and_leaves_nothing(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def impatient(*_: object, **__: object) -> Iterator[Callable[[int, int | None], None]]:
        yield lambda done, total: os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(replay, "progress_bar", impatient)
    before = tree(small.half.parent)
    ended = holdfast("replay", small.half)
    assert ended.code == ExitCode.STOPPED
    assert "stopped by SIGTERM" in ended.err
    assert tree(small.half.parent) == before
