from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.cli.ckpt import split


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
def test_a_checkpoint_is_named_by_run_stage_and_step(where: str, parts: tuple[str, str | None, int | None]) -> None:
    run_dir, stage, step = split(where)
    assert (str(run_dir), stage, step) == parts


def test_a_folder_with_a_colon_in_its_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    assert split(str(tmp_path / "a:b")) == (tmp_path / "a:b", None, None)


@pytest.mark.parametrize("where", ["runs/demo:sft@", "runs/demo:sft@newest", "runs/demo:sft@-1"])
def test_a_step_is_a_number(where: str) -> None:
    with pytest.raises(RecipeFault):
        split(where)
