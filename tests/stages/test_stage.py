"""What makes a stage done, and what happens to a result that no longer fits."""

from pathlib import Path
from typing import Any

from holdfast.stages.recipe import Recipe
from holdfast.stages.stage import SUPERSEDED, Stage, begin, end, is_done, make_room, read_record, wanted_fingerprint


def stage(**changes: Any) -> Stage:
    values: dict[str, Any] = {
        "name": "toy",
        "needs": ("corpus",),
        "identity": lambda recipe: {"seed": recipe.seed},
        "work": lambda run: {"fingerprint": "x"},
        "outputs": ("out.txt",),
    }
    return Stage(**values | changes)


def finished(folder: Path, wanted: str, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "out.txt").write_text(content)
    end(folder, begin(folder, wanted), "done", 1.0, {"fingerprint": "x"})


def test_settings_and_input_contents_count_and_nothing_else() -> None:
    first, second = Recipe(seed=1), Recipe(seed=2)
    assert wanted_fingerprint(stage(), first, {"corpus": "a"}) == wanted_fingerprint(
        stage(), first, {"corpus": "a", "sft": "b"}
    )
    assert wanted_fingerprint(stage(), first, {"corpus": "a"}) != wanted_fingerprint(stage(), first, {"corpus": "c"})
    assert wanted_fingerprint(stage(), first, {"corpus": "a"}) != wanted_fingerprint(stage(), second, {"corpus": "a"})


def test_done_means_recorded_fitting_and_present(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    assert not is_done(stage(), folder, "f")
    finished(folder, "f", "result")
    assert is_done(stage(), folder, "f")
    assert not is_done(stage(), folder, "g")
    (folder / "out.txt").unlink()
    assert not is_done(stage(), folder, "f")


def test_a_record_that_can_not_be_read_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "stage.json").write_text('{"status": "do')
    assert read_record(tmp_path) is None
    (tmp_path / "stage.json").write_text("[]")
    assert read_record(tmp_path) is None


def test_changed_settings_set_the_result_aside_and_old_settings_bring_it_back(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    finished(folder, "first-settings", "one")
    told = make_room(stage(), folder, "second-settings")
    assert told is not None
    assert SUPERSEDED in told
    finished(folder, "second-settings", "two")
    assert make_room(stage(), folder, "first-settings") is not None
    assert (folder / "out.txt").read_text() == "one"
    assert is_done(stage(), folder, "first-settings")
    assert make_room(stage(), folder, "second-settings") is not None
    assert (folder / "out.txt").read_text() == "two"


def test_room_is_left_as_it_is_when_the_settings_fit(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    finished(folder, "same", "one")
    assert make_room(stage(), folder, "same") is None
    assert (folder / "out.txt").read_text() == "one"


def test_what_has_no_record_is_kept_too(tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "precious.txt").write_text("not ours to delete")
    assert make_room(stage(), folder, "wanted") is not None
    assert [path.read_text() for path in (tmp_path / SUPERSEDED).rglob("precious.txt")] == ["not ours to delete"]


def test_seconds_add_up_over_starts(tmp_path: Path) -> None:
    end(tmp_path, begin(tmp_path, "f"), "stopped", 2.0, {})
    record = end(tmp_path, begin(tmp_path, "f"), "done", 3.0, {})
    assert (record["wall_seconds"], record["starts"]) == (5.0, 2)
