"""What makes a stage done, and what happens to a result that no longer fits."""

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.stages.recipe import Recipe
from holdfast.stages.stage import (
    SUPERSEDED,
    Stage,
    Wanted,
    begin,
    end,
    is_done,
    make_room,
    read_record,
    set_aside,
    wanted_of,
)

FIRST, SECOND = Wanted({"seed": 1}, {"corpus": "a"}), Wanted({"seed": 2}, {"corpus": "a"})


def stage(**changes: Any) -> Stage:
    values: dict[str, Any] = {
        "name": "toy",
        "needs": ("corpus",),
        "identity": lambda recipe: {"seed": recipe.seed},
        "work": lambda run: {"fingerprint": "x"},
        "outputs": ("out.txt",),
    }
    return Stage(**values | changes)


def finished(folder: Path, wanted: Wanted, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "out.txt").write_text(content)
    end(folder, begin(folder, wanted), "done", 1.0, {"fingerprint": "x"})


def test_settings_and_input_contents_count_and_nothing_else() -> None:
    def wanted(seed: int, **results: str) -> str:
        return wanted_of(stage(), Recipe(seed=seed), results).fingerprint

    assert wanted(1, corpus="a") == wanted(1, corpus="a", sft="b")
    assert wanted(1, corpus="a") != wanted(1, corpus="c")
    assert wanted(1, corpus="a") != wanted(2, corpus="a")


def test_done_means_recorded_fitting_and_present(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    assert not is_done(stage(), folder, FIRST.fingerprint)
    finished(folder, FIRST, "result")
    assert is_done(stage(), folder, FIRST.fingerprint)
    assert not is_done(stage(), folder, SECOND.fingerprint)
    (folder / "out.txt").unlink()
    assert not is_done(stage(), folder, FIRST.fingerprint)


@pytest.mark.parametrize("content", ['{"status": "do', "[]", '{"fingerprint": "x"}', "[" * 100_000, "\x00"])
def test_a_record_that_can_not_be_read_is_no_record(tmp_path: Path, content: str) -> None:
    (tmp_path / "stage.json").write_text(content)
    assert read_record(tmp_path) is None


def test_changed_settings_set_the_result_aside_and_old_settings_bring_it_back(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    finished(folder, FIRST, "one")
    told = make_room(stage(), folder, SECOND.fingerprint)
    assert told is not None
    assert SUPERSEDED in told
    finished(folder, SECOND, "two")
    assert make_room(stage(), folder, FIRST.fingerprint) is not None
    assert (folder / "out.txt").read_text() == "one"
    assert is_done(stage(), folder, FIRST.fingerprint)
    assert make_room(stage(), folder, SECOND.fingerprint) is not None
    assert (folder / "out.txt").read_text() == "two"


def test_room_is_left_as_it_is_when_the_settings_fit(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    finished(folder, FIRST, "one")
    assert make_room(stage(), folder, FIRST.fingerprint) is None
    assert (folder / "out.txt").read_text() == "one"


def test_what_was_set_aside_for_good_does_not_come_back_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    finished(folder, FIRST, "one")
    kept = set_aside(folder, for_good=True)
    assert kept is not None
    assert make_room(stage(), folder, FIRST.fingerprint) is None
    assert not folder.exists()
    assert (kept / "out.txt").read_text() == "one"
    assert set_aside(folder) is None


def test_what_has_no_record_is_kept_too(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "precious.txt").write_text("not ours to delete")
    assert make_room(stage(), folder, FIRST.fingerprint) is not None
    assert [path.read_text() for path in (tmp_path / SUPERSEDED).rglob("precious.txt")] == ["not ours to delete"]


def test_seconds_add_up_over_starts(tmp_path: Path) -> None:
    end(tmp_path, begin(tmp_path, FIRST), "stopped", 2.0, {})
    record = end(tmp_path, begin(tmp_path, FIRST), "done", 3.0, {})
    assert (record["wall_seconds"], record["starts"]) == (5.0, 2)
    assert "forks" not in record


def test_a_record_says_what_the_work_was_begun_with_and_what_it_went_on_from(tmp_path: Path) -> None:
    begin(tmp_path, FIRST)
    begin(tmp_path, SECOND)
    record = json.loads((tmp_path / "stage.json").read_text())
    assert (record["settings"], record["inputs"]) == (SECOND.settings, SECOND.inputs)
    assert record["forks"] == [
        {"fingerprint": FIRST.fingerprint, "settings": dict(FIRST.settings), "inputs": dict(FIRST.inputs)}
    ]
