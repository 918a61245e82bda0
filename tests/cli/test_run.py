"""`holdfast run` on work that is there: where it goes on from, what may change on the way, what is never lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.base.faults import ExitCode
from holdfast.journal.journal import lineage, read

from .conftest import Small, digests, events, holdfast, record, tree

pytestmark = pytest.mark.slow

Copy = Callable[[str], Path]


def steps(run_dir: Path) -> list[int]:
    """The steps of pretraining that the run goes back through."""
    line = lineage(read(run_dir / "journal"))
    return [each["step"] for each in line if each["kind"] == "step" and each["stage"] == "pretrain"]


def checkpoints(run_dir: Path, stage: str = "pretrain") -> set[str]:
    return {path.name for path in (run_dir / stage / "checkpoints").glob("step-*")}


# --- half done, and nothing changed ---


def test_half_done_work_goes_on_and_ends_with_the_same_bits(small: Small, copy: Copy) -> None:
    half = copy("half")
    for word in ("auto", "latest", "7"):
        run_dir = half.with_name(word)
        shutil.copytree(half, run_dir)
        assert holdfast("run", run_dir, "--resume", word).code == 0
        assert digests(run_dir) == digests(small.base)
        assert steps(run_dir) == list(range(1, 13))


def test_an_earlier_step_is_gone_back_to_for_good(small: Small, copy: Copy) -> None:
    half = copy("half")
    ended = holdfast("run", half, "--resume", "3", faults="int@5")
    assert ended.code == ExitCode.STOPPED
    assert steps(half) == [1, 2, 3, 4, 5]
    assert {"step-00000003.i02", "step-00000005.i02", "step-00000007.i01"} <= checkpoints(half)
    assert holdfast("run", half).code == 0, "the choice holds without being said again"
    assert [each["step"] for each in events(half, "resume")] == [3, 5]
    assert digests(half) == digests(small.base)


def test_a_kill_right_after_the_choice_does_not_undo_it(copy: Copy) -> None:
    half = copy("half")
    script = "import sys; from holdfast.cli.main import main; main(sys.argv[1:])"
    environment = os.environ | {"HOLDFAST_FAULTS": "kill@4"}
    words = [sys.executable, "-c", script, "run", str(half), "--resume", "3"]
    assert subprocess.run(words, env=environment, capture_output=True).returncode == -9
    ended = holdfast("run", half)
    assert ended.code == 0, ended
    assert [each["step"] for each in events(half, "resume")] == [3, 3]
    assert events(half, "audited"), "step 4 was made before the kill, and came out the same"


def test_the_best_is_gone_back_to(copy: Copy) -> None:
    half = copy("half")
    assert holdfast("run", half, "--resume", "best").code == 0
    assert [each["step"] for each in events(half, "resume")] == [6]


def test_a_wrong_choice_leaves_the_run_as_it_was(copy: Copy) -> None:
    half = copy("half")
    before = tree(half)
    for word in ("5", "sft@3", "pretrain@9", "no-such-word"):
        ended = holdfast("run", half, "--resume", word)
        assert ended.code == ExitCode.USAGE
        assert "pretrain@3, 6, 7" in ended.err
    weights = half / "pretrain" / "checkpoints" / "step-00000003.i01" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + bytes(8))
    ended = holdfast("run", half, "--resume", "3")
    assert ended.code == ExitCode.FAILED
    assert "is damaged" in ended.err
    after = tree(half)
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} <= {"lock", str(weights.relative_to(half))}


# --- a checkpoint of another run ---


def test_another_run_of_the_same_recipe_is_gone_on_from_exactly(small: Small, tmp_path: Path) -> None:
    source = small.base / "pretrain" / "checkpoints" / "step-00000006.i01"
    ended = small.run(tmp_path / "new", "--resume", str(source))
    assert ended.code == 0, ended
    assert digests(tmp_path / "new") == digests(small.base)
    copied = tmp_path / "new" / "pretrain" / "checkpoints" / "step-00000006.i01" / "model.safetensors"
    assert not copied.exists() or copied.stat().st_nlink == 1, "copied, not shared with the other run"
    assert not events(tmp_path / "new", "fork")


def test_one_of_another_model_is_refused_and_of_other_settings_only_with_leave(small: Small, tmp_path: Path) -> None:
    source = str(small.base / "pretrain" / "checkpoints" / "step-00000006.i01")
    ended = small.run(tmp_path / "wide", "--resume", source, "model.intermediate_size=64", "--allow-change")
    assert ended.code == ExitCode.USAGE
    assert "model.intermediate_size 32 -> 64 (identity)" in ended.err
    ended = small.run(tmp_path / "long", "--resume", source, "pretrain.steps=14")
    assert ended.code == ExitCode.USAGE
    assert "--allow-change" in ended.err
    assert small.run(tmp_path / "long", "--resume", source, "pretrain.steps=14", "--allow-change").code == 0
    (fork,) = events(tmp_path / "long", "fork")
    assert fork["step"] == 6
    assert steps(tmp_path / "long") == list(range(7, 15))


# --- half done, and something changed ---


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("pretrain.steps=20", "pretrain.steps 12 -> 20 (trajectory)"),
        ("pretrain.optimizer.learning_rate=0.5", "pretrain.optimizer.learning_rate 0.001 -> 0.5 (trajectory)"),
        ("model.dropout=0.2", "model.dropout 0.1 -> 0.2 (identity)"),
        ("seed=5", "seed 1337 -> 5 (identity)"),
        ("corpus.max_documents=50", "corpus.max_documents off -> 50 (identity)"),
        ("tokenizer.kind=char", "tokenizer.kind byte -> char (identity)"),
        ("pretrain.optimizer.kind=muon", "pretrain.optimizer.kind adamw -> muon (identity)"),
    ],
)
def test_half_done_work_is_not_touched_when_settings_changed(copy: Copy, word: str, told: str) -> None:
    half = copy("half")
    before = tree(half)
    ended = holdfast("run", half, word)
    assert ended.code == ExitCode.USAGE
    assert told in ended.err
    assert "--fresh" in ended.err
    assert ("--allow-change" in ended.err) == ("trajectory" in told)
    assert {name for name, seen in tree(half).items() if before.get(name) != seen} <= {"lock"}


def test_leave_to_change_is_none_to_change_what_the_work_is(copy: Copy) -> None:
    half = copy("half")
    ended = holdfast("run", half, "seed=5", "pretrain.steps=20", "--allow-change")
    assert ended.code == ExitCode.USAGE
    assert "seed 1337 -> 5 (identity)" in ended.err


def test_every_difference_is_listed(copy: Copy) -> None:
    ended = holdfast("run", copy("half"), "seed=5", "pretrain.steps=20", "pretrain.clip=off")
    for told in ("seed 1337 -> 5", "pretrain.steps 12 -> 20", "pretrain.clip 1.0 -> off"):
        assert told in ended.err


def test_with_leave_training_goes_on_under_the_new_settings_and_that_is_on_record(copy: Copy) -> None:
    half = copy("half")
    words = ("pretrain.steps=16", "pretrain.optimizer.learning_rate=0.0005")
    assert holdfast("run", half, *words, "--allow-change", faults="term@9").code == ExitCode.STOPPED
    (fork,) = events(half, "fork")
    assert fork["step"] == 7
    assert {change["setting"]: (change["old"], change["new"], change["kind"]) for change in fork["changes"]} == {
        "pretrain.steps": (12, 16, "trajectory"),
        "pretrain.optimizer.learning_rate": (0.001, 0.0005, "trajectory"),
    }
    assert json.loads((half / "pretrain" / "horizon.json").read_text())["total_steps"] == 16
    assert holdfast("run", half).code == 0, "it needs to be said once"
    assert len(events(half, "fork")) == 1
    assert steps(half) == list(range(1, 17))
    told = record(half)
    assert told["settings"]["pretrain"]["steps"] == 16
    assert [each["settings"]["pretrain"]["steps"] for each in told["forks"]] == [12]


def test_under_another_batch_size_the_data_goes_on_where_it_was(copy: Copy) -> None:
    half = copy("half")
    ended = holdfast("run", half, "pretrain.batch_tokens=64", "--allow-change", faults="term@9")
    assert ended.code == ExitCode.STOPPED
    assert holdfast("run", half).code == 0
    assert [(each["step"], each["position"]) for each in events(half, "resume")] == [(7, 14), (9, 16)]
    assert holdfast("run", half, "--resume", "6").code == 0, "a step of the size before"
    assert events(half, "resume")[-1]["position"] == 12


def test_a_length_that_lies_behind_is_refused(copy: Copy) -> None:
    half = copy("half")
    before = (half / "recipe.yaml").read_text()
    ended = holdfast("run", half, "pretrain.steps=5", "--allow-change")
    assert ended.code == ExitCode.USAGE
    assert "is at step 7 and would end at step 5" in ended.err
    assert (half / "recipe.yaml").read_text() == before
    assert holdfast("run", half, "pretrain.steps=5", "--allow-change", "--resume", "3").code == 0
    assert steps(half) == [1, 2, 3, 4, 5]


def test_fresh_begins_anew_and_keeps_what_there_was(small: Small, copy: Copy) -> None:
    half = copy("half")
    assert holdfast("run", half, "seed=5", "--fresh").code == 0
    assert steps(half) == list(range(1, 13))
    (kept,) = (half / "superseded").glob("pretrain-*")
    assert (kept / "checkpoints" / "step-00000007.i01").is_dir()
    assert digests(half) != digests(small.base)


def test_fresh_begins_anew_even_if_nothing_changed(small: Small, copy: Copy) -> None:
    half = copy("half")
    assert holdfast("run", half, "--fresh").code == 0
    assert not events(half, "resume")
    assert list((half / "superseded").glob("pretrain-unfinished-*"))
    assert digests(half) == digests(small.base)


def test_half_done_work_comes_back_with_its_settings(small: Small, copy: Copy) -> None:
    half = copy("half")
    assert holdfast("run", half, "model.dropout=0.2", "--fresh").code == 0
    assert holdfast("run", half, "model.dropout=0.1").code == 0
    assert [each["step"] for each in events(half, "resume")] == [7]
    assert not events(half, "audit_failed"), "steps of other settings are not what these are compared with"
    assert digests(half) == digests(small.base)


def test_without_a_checkpoint_there_is_nothing_to_lose(copy: Copy) -> None:
    half = copy("half")
    shutil.rmtree(half / "pretrain" / "checkpoints")
    assert holdfast("run", half, "seed=5").code == 0


def test_a_stage_that_lost_its_record_goes_on_by_what_its_checkpoints_say(small: Small, copy: Copy) -> None:
    half = copy("half")
    (half / "pretrain" / "stage.json").unlink()
    ended = holdfast("run", half, "seed=5")
    assert ended.code == ExitCode.USAGE
    assert "seed 1337 -> 5 (identity)" in ended.err
    assert holdfast("run", half).code == 0
    assert digests(half) == digests(small.base)
    assert steps(half) == list(range(1, 13))


def test_none_valid_is_never_from_scratch_but_for_fresh(small: Small, copy: Copy) -> None:
    half = copy("half")
    for weights in (half / "pretrain" / "checkpoints").glob("*/model.safetensors"):
        weights.write_bytes(b"")
    assert holdfast("run", half).code == ExitCode.NO_VALID_CHECKPOINT
    assert holdfast("run", half).code == ExitCode.NO_VALID_CHECKPOINT
    assert holdfast("run", half, "--fresh").code == 0
    assert digests(half) == digests(small.base)


# --- done, and something changed ---


def test_what_is_done_is_made_anew_when_settings_changed_and_comes_back_with_them(small: Small, copy: Copy) -> None:
    base = copy("base")
    ended = holdfast("run", base, "pretrain.steps=4")
    assert ended.code == 0
    assert "pretrain.steps 12 -> 4 (trajectory); --allow-change would have trained it on" in ended.out
    assert steps(base) == [1, 2, 3, 4]
    assert holdfast("run", base, "pretrain.steps=12").code == 0
    assert digests(base) == digests(small.base)


def test_what_is_done_can_be_trained_on(copy: Copy) -> None:
    base = copy("base")
    ended = holdfast("run", base, "pretrain.steps=15", "--allow-change")
    assert ended.code == 0, ended
    assert [each["step"] for each in events(base, "fork")] == [12]
    assert steps(base) == list(range(1, 16))
    assert not list(base.glob("superseded/pretrain-*"))


def test_a_free_setting_is_said_and_changes_nothing_else(small: Small, copy: Copy) -> None:
    half = copy("half")
    ended = holdfast("run", half, "pretrain.keep=5")
    assert ended.code == 0
    assert "pretrain.keep 4 -> 5 (free)" in ended.out
    assert digests(half) == digests(small.base)


# --- stages that build on others ---


def test_a_finished_stage_is_gone_back_into_and_what_builds_on_it_stays_if_it_comes_out_the_same(
    small: Small, copy: Copy
) -> None:
    done = copy("done")
    ended = holdfast("run", done, "--resume", "pretrain@9")
    assert ended.code == 0, ended
    assert digests(done) == digests(small.done)
    assert record(done, "sft") == record(small.done, "sft")
    assert holdfast("run", done, "--resume", "3").code == 0, "of the last stage that has that step"
    assert record(done, "sft")["starts"] == 2
    assert digests(done, "sft") == digests(small.done, "sft")


def test_a_half_done_stage_is_not_lost_to_a_change_of_what_it_builds_on(small: Small, copy: Copy) -> None:
    base = copy("base")
    assert holdfast("run", base, "sft.enabled=true", faults="term@4").code == ExitCode.STOPPED
    assert record(base, "sft")["status"] == "stopped"
    ended = holdfast("run", base, "pretrain.steps=15", "--allow-change")
    assert ended.code == ExitCode.USAGE
    assert "sft is half done" in ended.err
    ended = holdfast("run", base, "--resume", "pretrain@9")
    assert ended.code == ExitCode.USAGE
    assert "the result of pretrain" in ended.err
    ended = holdfast("run", base, "--resume", "pretrain@9", "--fresh")
    assert ended.code == 0, ended
    assert events(base, "resume")[-1]["stage"] == "sft", "pretraining came out the same, so it was kept after all"
    assert digests(base, "sft") == digests(small.done, "sft")


# --- the weights of another run ---


def test_training_starts_from_the_weights_of_another_run(small: Small, tmp_path: Path) -> None:
    new = tmp_path / "new"
    ended = small.run(new, f"pretrain.init_from={small.base}", "pretrain.steps=4")
    assert ended.code == 0, ended
    first, random = (
        next(each["loss"] for each in read(run / "journal") if each["kind"] == "step") for run in (new, small.base)
    )
    assert first < random - 0.1
    assert steps(new) == [1, 2, 3, 4]
    same = f"pretrain.init_from={small.base}:pretrain@12"
    assert "nothing to do" in holdfast("run", new, same).out, "the same weights under another name"
    ended = holdfast("run", new, f"pretrain.init_from={small.base}:pretrain@6")
    assert "pretrain.init_from" in ended.out, "other weights are another start"
    assert ended.code == 0


def test_half_done_work_is_held_to_the_weights_it_started_from(small: Small, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert small.run(new, f"pretrain.init_from={small.base}", faults="term@4").code == ExitCode.STOPPED
    ended = holdfast("run", new, f"pretrain.init_from={small.base}:pretrain@6")
    assert ended.code == ExitCode.USAGE
    assert "pretrain.init_from" in ended.err
    assert holdfast("run", new).code == 0


@pytest.mark.parametrize(
    ("word", "told", "code"),
    [
        ("model.dropout=0.2", "model.dropout 0.1 -> 0.2", ExitCode.NOT_READY),
        ("tokenizer.kind=char", "tokenizer ", ExitCode.USAGE),  # which shows when it was made
        ("", "no checkpoint", ExitCode.NOT_READY),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_what_differs(
    small: Small, tmp_path: Path, word: str, told: str, code: ExitCode
) -> None:
    source = small.base if word else tmp_path / "nowhere"
    ended = small.run(tmp_path / "new", f"pretrain.init_from={source}", *filter(None, [word]))
    assert ended.code == code
    assert "pretrain.init_from" in ended.err
    assert told in ended.err
