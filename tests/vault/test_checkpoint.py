"""What a checkpoint's name says, and in which order they stand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from holdfast.vault.checkpoint import directory_name, find


def test_both_kinds_are_found_in_the_order_of_the_run(tmp_path: Path) -> None:
    wanted = [
        (1, 10, True), (1, 20, False), (1, 20, True), (1, 100_000_000, False), (2, 5, False), (2, 5, True),
        (3, 1, True), (99, 0, False), (100, 0, False),
    ]  # fmt: skip
    names = [directory_name(step, incarnation, weights_only) for incarnation, step, weights_only in wanted]
    for name in random.Random(0).sample(names, len(names)):
        (tmp_path / name).mkdir()
    found = find(tmp_path)
    assert [(one.incarnation, one.step, one.weights_only) for one in found] == wanted
    assert [one.path.name for one in found] == names


@pytest.mark.parametrize(
    "name",
    [
        "step-00000001.i1",
        "step-1.i01",
        "step-000000001.i01",
        "step-00000001.i001",
        "step-00000001",
        "step-00000001.i01.weight",
        "step-00000001.i01.weights.weights",
        "step-00000001.i01.WEIGHTS",
        "step-00000001.i01\n",
        "step-٠٠٠٠٠٠٠١.i٠١",
        "step--0000001.i01",
        "step-9999999999999999999.i01",
        "step-00000001.i9999999999",
    ],
)
def test_any_other_name_is_no_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert find(tmp_path) == []


def test_files_and_links_are_no_checkpoints_and_nothing_is_created(tmp_path: Path) -> None:
    (tmp_path / directory_name(1, 1)).write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / directory_name(2, 1)).symlink_to(tmp_path / "elsewhere")
    (tmp_path / directory_name(3, 1, weights_only=True)).symlink_to(tmp_path / "nowhere")
    assert find(tmp_path) == []
    assert find(tmp_path / "absent") == []
    assert not (tmp_path / "absent").exists()
