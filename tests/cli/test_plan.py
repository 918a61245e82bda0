"""`holdfast plan`, and what `holdfast run` does of it: as a person and as a program would use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.base.faults import ExitCode

from .conftest import Small, holdfast, tree

Copy = Callable[[str], Path]


def test_bad_settings_and_missing_files_are_told_together(tmp_path: Path) -> None:
    words = ("smoke", "pretrain.stepz=3", "pretrain.batch_tokens=100", f"corpus.path={tmp_path / 'nowhere'}")
    ended = holdfast("plan", *words, "--run-dir", tmp_path / "run", "--json")
    assert ended.code == ExitCode.NOT_READY
    told = [problem["what"] for problem in ended.json["problems"]]
    assert any("pretrain.stepz" in what for what in told)
    assert any("no multiple of the context length" in what for what in told)
    assert any("does not exist" in what for what in told)
    shown = holdfast("plan", *words, "--run-dir", tmp_path / "run")
    assert shown.code == ExitCode.NOT_READY
    assert shown.out.count("problem: ") == shown.out.count("fix: ") == len(told)
    assert shown.out.endswith("not ready\n")


def test_what_is_no_recipe_is_a_usage_error(tmp_path: Path) -> None:
    assert holdfast("plan").code == ExitCode.USAGE
    assert holdfast("plan", "no-such-recipe").code == ExitCode.USAGE
    (tmp_path / "broken.yaml").write_text("a: [")
    assert holdfast("plan", tmp_path / "broken.yaml").code == ExitCode.USAGE


def test_the_table_of_sizes() -> None:
    ended = holdfast("plan", "--table", "--json")
    assert ended.code == 0
    assert {"size", "parameters", "context_length", "fits"} == ended.json[0].keys()
    of_bytes = holdfast("plan", "smoke", "tokenizer.vocab_size=320", "corpus.generator=harbour", "--table", "--json")
    assert of_bytes.json[0]["parameters"] < ended.json[0]["parameters"]
    assert "80 GB" in holdfast("plan", "--table").out


def test_a_run_refuses_before_anything_is_written(tmp_path: Path) -> None:
    words = ("smoke", "corpus.path=[/nowhere, /neither]", "device=cpu", "pretrain.save_minutes=off")
    ended = holdfast("run", *words, "--run-dir", tmp_path / "run")
    assert ended.code == ExitCode.NOT_READY
    assert ended.err.count("error: ") == ended.err.count("fix: ") == 3
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_it_can_be_told_to_try_all_the_same(small: Small, tmp_path: Path) -> None:
    words = ("pretrain.save_minutes=off", "pretrain.save_steps=off")
    assert small.run(tmp_path / "run", *words).code == ExitCode.NOT_READY
    assert small.run(tmp_path / "run", *words, "--no-plan").code == 0


@pytest.mark.slow
def test_a_half_done_and_a_finished_run_are_planned_and_left_as_they_are(copy: Copy) -> None:
    half, done = copy("half"), copy("done")
    before = tree(half), tree(done)
    ended = holdfast("plan", half, "--json")
    assert ended.code == 0, ended
    assert ended.json["ready"]
    ended = holdfast("plan", done, "--json")
    assert ended.code == 0, ended
    assert any("nothing to do" in note for note in ended.json["notes"])
    other = holdfast("plan", half, "model.intermediate_size=64", "--json")
    assert other.code == ExitCode.NOT_READY
    assert any("begun differently" in problem["what"] for problem in other.json["problems"])
    assert (tree(half), tree(done)) == before
