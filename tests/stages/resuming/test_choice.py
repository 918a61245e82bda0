"""Every way of naming a checkpoint finds the one that is meant, or says what there is."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from holdfast.base.faults import Fault, RecipeFault
from holdfast.stages.resuming.choice import Choice, Wish, choose, located, split
from holdfast.vault.store import Checkpoint, Policy, Vault

STAGES = ("pretrain", "sft")


def save(run: Path, stage: str, step: int, start: int = 1, tags: Sequence[str] = (), best: float | None = None) -> None:
    state = {part: {"x": torch.full((3,), float(step))} for part in ("model", "optimizer")}
    Vault(run / stage, start).save(step, state, {"stage": stage, "best": best}, tags)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two stages; pretraining was once taken back from step 20 to step 10."""
    run = tmp_path / "run"
    for step in (10, 20):
        save(run, "pretrain", step)
    save(run, "pretrain", 15, start=2, tags=["best"], best=2.0)
    save(run, "pretrain", 20, start=2, tags=["best"], best=3.0)
    save(run, "sft", 5, start=3)
    return run


def chosen(run: Path, source: str, pending: str | None = None, stages: Sequence[str] = STAGES) -> Choice:
    choice = choose(Wish(source), run, stages, pending)
    assert choice is not None
    return choice


def named(run: Path, source: str, pending: str | None = None) -> tuple[str, str, bool]:
    choice = chosen(run, source, pending)
    return choice.stage, choice.checkpoint.path.name, choice.own


def test_every_way_of_naming_one(run: Path) -> None:
    assert named(run, "10") == ("pretrain", "step-00000010.i01", True)
    assert named(run, "5") == ("sft", "step-00000005.i03", True), "the last stage that has it"
    assert named(run, "20") == ("pretrain", "step-00000020.i02", True), "the newest of that step"
    assert named(run, "pretrain@15") == ("pretrain", "step-00000015.i02", True)
    assert named(run, "best", "pretrain") == ("pretrain", "step-00000015.i02", True), "the lowest score"
    assert named(run, str(run / "sft/checkpoints/step-00000005.i03")) == ("sft", "step-00000005.i03", True)


def test_words_that_choose_nothing(run: Path, tmp_path: Path) -> None:
    assert choose(Wish("auto"), tmp_path / "nothing", STAGES, None) is None
    assert choose(Wish("latest"), run, STAGES, "sft") is None
    with pytest.raises(RecipeFault, match="has no checkpoint") as caught:
        choose(Wish("latest"), tmp_path / "nothing", STAGES, None)
    assert "leave --resume away" in caught.value.remedy


@pytest.mark.parametrize("source", ["7", "sft@10", "tokens@10", "newest", "no/such/folder", "best"])
def test_one_that_does_not_exist_is_told_with_what_there_is(run: Path, source: str) -> None:
    with pytest.raises(RecipeFault) as caught:
        chosen(run, source, "sft")
    assert "pretrain@10, 15, 20; sft@5" in caught.value.remedy


def test_the_stage_at_work_is_meant_when_none_is_named(run: Path) -> None:
    with pytest.raises(RecipeFault, match="of sft at step 10"):
        chosen(run, "10", "sft")
    assert chosen(run, "pretrain@10", "sft").stage == "pretrain"


def test_one_of_another_run_is_foreign_and_belongs_to_its_own_stage(run: Path, tmp_path: Path) -> None:
    path = run / "pretrain" / "checkpoints" / "step-00000010.i01"
    choice = chosen(tmp_path / "other", str(path))
    assert (choice.stage, choice.own, choice.checkpoint.step) == ("pretrain", False, 10)
    with pytest.raises(RecipeFault, match="does not train"):
        chosen(tmp_path / "other", str(path), stages=["sft"])


def test_a_damaged_one_is_refused_before_anything_is_done(run: Path) -> None:
    weights = run / "pretrain" / "checkpoints" / "step-00000010.i01" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(Fault, match="is damaged") as caught:
        chosen(run, "10")
    assert "pretrain@10, 15, 20" in caught.value.remedy


def test_weights_only_can_be_started_from_but_not_gone_on_from(run: Path) -> None:
    save(run, "pretrain", 25, start=4, tags=["milestone"])
    for step in (30, 35):
        save(run, "pretrain", step, start=4)
    Vault(run / "pretrain", 4).retire(Policy(newest=2))
    demoted = run / "pretrain" / "checkpoints" / "step-00000025.i04.weights"
    assert demoted.is_dir()
    for source in ("25", str(demoted)):
        with pytest.raises(RecipeFault, match="weights only") as caught:
            chosen(run, source)
        assert "init_from" in caught.value.remedy
    assert located(f"{run}:pretrain@25").weights_only
    assert located(str(demoted)).path == demoted


def test_a_checkpoint_is_located_by_run_stage_and_step(run: Path) -> None:
    def name(found: Checkpoint) -> str:
        return f"{found.path.parents[1].name}/{found.path.name}"

    assert name(located(str(run))) == "sft/step-00000005.i03", "the last stage's newest"
    assert name(located(str(run), stage="pretrain")) == "pretrain/step-00000020.i02"
    assert name(located(f"{run}:pretrain")) == "pretrain/step-00000020.i02"
    assert name(located(f"{run}:pretrain@10")) == "pretrain/step-00000010.i01"
    assert name(located(str(run / "pretrain/checkpoints/step-00000020.i01"))) == "pretrain/step-00000020.i01"
    for wrong in (f"{run}:pretrain@11", f"{run}:evaluate", str(run / "nothing")):
        with pytest.raises(RecipeFault):
            located(wrong)


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        ("runs/demo", ("runs/demo", None, None)),
        ("runs/demo:sft", ("runs/demo", "sft", None)),
        ("runs/demo:pretrain@200", ("runs/demo", "pretrain", 200)),
        ("runs/demo:@200", ("runs/demo", None, 200)),
        ("a:b/demo:sft", ("a:b/demo", "sft", None)),
    ],
)
def test_a_name_in_parts(where: str, parts: tuple[str, str | None, int | None]) -> None:
    run_dir, stage, step = split(where)
    assert (str(run_dir), stage, step) == parts


def test_a_folder_with_a_colon_in_its_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    assert split(str(tmp_path / "a:b")) == (tmp_path / "a:b", None, None)


@pytest.mark.parametrize("where", ["runs/demo:sft@", "runs/demo:sft@newest", "runs/demo:sft@-1"])
def test_a_step_is_a_number(where: str) -> None:
    with pytest.raises(RecipeFault):
        split(where)
