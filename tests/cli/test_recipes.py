from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.cli import main
from holdfast.stages.recipe import resolve, shipped


def call(*arguments: str) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(list(arguments))
    assert left.value.code == 0


def test_the_list_is_a_table_for_people_and_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    call("recipes")
    bare = capsys.readouterr().out
    call("recipes", "list")
    assert capsys.readouterr().out == bare
    assert [line.split("\t")[0] for line in bare.splitlines()[1:]] == sorted(shipped())
    call("recipes", "list", "--json")
    assert {each["name"] for each in json.loads(capsys.readouterr().out)} == set(shipped())


def test_what_is_shown_is_a_recipe_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call("recipes", "show", "demo", "seed=7", "pretrain.batch-tokens=1024")
    path = tmp_path / "shown.yaml"
    path.write_text(capsys.readouterr().out, "utf-8")
    assert resolve(path).recipe == resolve("demo", ["seed=7", "pretrain.batch_tokens=1024"]).recipe


def test_schema_and_reference_are_written_from_the_types(capsys: pytest.CaptureFixture[str]) -> None:
    call("recipes", "schema")
    assert json.loads(capsys.readouterr().out)["properties"]["seed"]
    call("recipes", "reference")
    assert "| `pretrain.save_minutes` |" in capsys.readouterr().out


def test_models_are_counted_for_the_vocabulary_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    def counted(vocab: str) -> dict[str, int]:
        call("models", "--json", "--vocab", vocab)
        return {each["size"]: each["parameters"] for each in json.loads(capsys.readouterr().out)}

    small, large = counted("1000"), counted("2000")
    assert large["tiny"] - small["tiny"] == 1000 * 128
    assert list(small.values()) == sorted(small.values())
    call("models")
    assert capsys.readouterr().out.splitlines()[0].startswith("size\tparameters")
