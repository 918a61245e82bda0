from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast.base.faults import RecipeFault
from holdfast.cli.runs import existing, newest, opened
from holdfast.stages.recipe import resolve


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_run(name: str, *words: str) -> Path:
    folder = Path("runs") / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}", "utf-8")
    (folder / "recipe.yaml").write_text(resolve("demo", words).text, "utf-8")
    return folder


def test_a_recipe_runs_under_its_name_or_where_told() -> None:
    assert opened("demo", None, None)[1] == Path("runs/demo")
    assert opened("demo", ["name=other"], None)[1] == Path("runs/other")
    assert opened("demo", [], Path("x"))[1] == Path("x")
    assert not list(Path().iterdir())


def test_a_run_folder_goes_on_with_its_own_recipe_and_what_is_changed() -> None:
    folder = make_run("first", "seed=7", "name=first")
    resolved, where = opened(str(folder), ["pretrain.save_minutes=1"], None)
    assert where == folder
    assert (resolved.recipe.seed, resolved.recipe.pretrain.save_minutes) == (7, 1.0)
    assert resolved.sources["seed"] == "command line", "a value keeps the source it had"
    with pytest.raises(RecipeFault, match="another folder"):
        opened(str(folder), [], Path("x"))


def test_a_run_is_found_by_folder_or_by_name() -> None:
    folder = make_run("first")
    assert existing(folder) == existing(Path("first")) == folder
    with pytest.raises(RecipeFault, match="holds no run") as caught:
        existing(Path("second"))
    assert "runs/first" in caught.value.remedy


def test_the_newest_run_is_the_one_at_work_last() -> None:
    with pytest.raises(RecipeFault):
        newest()
    first, second = make_run("first"), make_run("second")
    os.utime(second, (1, 1))
    assert newest() == first
    (second / "journal").mkdir()
    (second / "journal" / "00001.jsonl").write_text("", "utf-8")
    os.utime(first, (2, 2))
    assert newest() == second
