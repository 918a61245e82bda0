"""What differs is found, called as the recipe calls it, and put into the right class."""

from typing import Any

import pytest

from holdfast.stages import corpus, evaluate, pretrain, sft, tokens
from holdfast.stages.recipe import Recipe, resolve
from holdfast.stages.resuming.changes import Change, between, free_between, only_trajectory, words
from holdfast.stages.stage import Stage, Wanted, wanted_of

INPUTS = {"tokenizer": "1" * 32, "tokens": "2" * 32, "pretrain": "3" * 32}


def recipe(*words: str) -> Recipe:
    return resolve("demo", words).recipe


def record(wanted: Wanted) -> dict[str, Any]:
    return {"fingerprint": wanted.fingerprint, "settings": wanted.settings, "inputs": wanted.inputs}


def changes(stage: Stage, *changed: str) -> list[Change]:
    begun = ("budget=null", "pretrain.steps=20", "sft.steps=20")
    given = {word.split("=")[0] for word in changed}
    then = wanted_of(stage, recipe(*begun), INPUTS)
    now = wanted_of(stage, recipe(*(word for word in begun if word.split("=")[0] not in given), *changed), INPUTS)
    return between(stage.name, record(then), now)


@pytest.mark.parametrize(
    ("stage", "word", "name", "kind"),
    [
        (pretrain.STAGE, "pretrain.steps=30", "pretrain.steps", "trajectory"),
        (pretrain.STAGE, "pretrain.batch_tokens=1024", "pretrain.batch_tokens", "trajectory"),
        (pretrain.STAGE, "pretrain.clip=off", "pretrain.clip", "trajectory"),
        (pretrain.STAGE, "pretrain.optimizer.betas=[0.8, 0.9]", "pretrain.optimizer.betas", "trajectory"),
        (pretrain.STAGE, "pretrain.optimizer.learning_rate=0.7", "pretrain.optimizer.learning_rate", "trajectory"),
        (pretrain.STAGE, "pretrain.schedule.kind=constant", "pretrain.schedule.kind", "trajectory"),
        (pretrain.STAGE, "pretrain.optimizer.kind=adamw", "pretrain.optimizer.kind", "identity"),
        (pretrain.STAGE, "pretrain.packing=windows", "pretrain.packing", "identity"),
        (pretrain.STAGE, "model.dropout=0.3", "model.dropout", "identity"),
        (pretrain.STAGE, "seed=99", "seed", "identity"),
        (pretrain.STAGE, "precision=bf16", "precision", "identity"),
        (sft.STAGE, "sft.steps=30", "sft.steps", "trajectory"),
        (sft.STAGE, "sft.conversations=30", "sft.conversations", "identity"),
        (corpus.STAGE, "seed=99", "seed", "identity"),
        (corpus.STAGE, "corpus.documents=77", "corpus.documents", "identity"),
        (evaluate.STAGE, "evaluate.seed=99", "evaluate.seed", "identity"),
    ],
)
def test_a_setting_is_in_its_class_under_the_name_that_the_recipe_gives_it(
    stage: Stage, word: str, name: str, kind: str
) -> None:
    found = {change.setting: change.kind for change in changes(stage, word)}
    assert found[name] == kind
    assert set(found) <= {name, "corpus.sources"}  # a generator's texts follow from its seed


def test_free_settings_are_no_change_of_a_stage_and_are_told_by_themselves() -> None:
    free = ("pretrain.save_minutes=7", "tokens.shard_tokens=1M")
    assert changes(pretrain.STAGE, *free) == changes(tokens.STAGE, *free) == []
    found = free_between(recipe(), recipe(*free, "seed=4"))
    assert [(change.setting, change.kind) for change in found] == [
        ("tokens.shard_tokens", "free"),
        ("pretrain.save_minutes", "free"),
    ]
    then = recipe().pretrain.save_minutes
    assert words(found[1:]) == f"pretrain.save_minutes {then} -> 7.0 (free)"


def test_a_length_said_in_another_way_is_all_trajectory() -> None:
    then = wanted_of(pretrain.STAGE, recipe("pretrain.steps=20"), INPUTS)
    found = between("pretrain", record(then), wanted_of(pretrain.STAGE, recipe("pretrain.tokens=10k"), INPUTS))
    assert {change.setting for change in found} == {"pretrain.steps", "pretrain.tokens"}
    assert only_trajectory(found)


def test_inputs_count_by_content_and_one_that_is_not_made_yet_is_left_out() -> None:
    then = wanted_of(pretrain.STAGE, recipe(), INPUTS)
    now = wanted_of(pretrain.STAGE, recipe(), INPUTS | {"tokens": "9" * 32})
    found = between("pretrain", record(then), now)
    assert words(found) == "the result of tokens 22222222 -> 99999999 (identity)"
    assert between("pretrain", record(then), now, unknown=["tokens"]) == []


def test_what_is_not_on_record_can_not_be_called_equal() -> None:
    wanted = wanted_of(pretrain.STAGE, recipe(), INPUTS)
    assert between("pretrain", {"fingerprint": wanted.fingerprint}, wanted) == []
    (change,) = between("pretrain", {"fingerprint": "older"}, wanted)
    assert (change.kind, change.old) == ("identity", "not on record")
    (change,) = between("pretrain", record(wanted) | {"fingerprint": "older"}, wanted)
    assert change.setting == "the format of pretrain"
