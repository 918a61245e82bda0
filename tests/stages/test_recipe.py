from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from holdfast.base.explain import RecipeProblems
from holdfast.base.faults import ExitCode, RecipeFault
from holdfast.base.settings import settings
from holdfast.stages.recipe import CALLED, REPLACES, Recipe, Resolved, dump, identity, resolve, shipped, usable
from holdfast.stages.reference import reference, schema

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TEXTS = ["corpus.path=texts"]  # what the shipped recipes that read files are given
NEEDED = {"demo": [], "london": [], "smoke": TEXTS, "history": TEXTS, "shakespeare-char": TEXTS}
SMALL = "corpus.path: texts\npretrain.steps: 10\nsft.enabled: false\n"
HEADER = ("Command:", "Hardware:", "Time:", "Bits per byte:")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def causes(source: Path, *words: str) -> list[str]:
    with pytest.raises(RecipeFault) as caught:
        resolve(source, words)
    assert caught.value.code == ExitCode.USAGE
    faults = caught.value.faults if isinstance(caught.value, RecipeProblems) else (caught.value,)
    assert all(fault.remedy for fault in faults)
    return [fault.cause for fault in faults]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_golden_recipe(name: str) -> None:
    """`make golden` writes these files again after a wanted change; the diff is then there to be read."""
    golden = GOLDEN / f"{name}.txt"
    text = dump(resolve(name, NEEDED[name]))
    if os.environ.get("HOLDFAST_GOLDEN") == "write":
        golden.write_text(text, "utf-8")
    assert golden.read_text("utf-8") == text


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_shipped_recipe_says_how_to_run_it_and_what_to_expect(name: str) -> None:
    text = shipped()[name].read_text("utf-8")
    header = [line for line in text.splitlines() if line.startswith("#")]
    for heading in HEADER:
        assert any(line.startswith(f"# {heading}") for line in header), heading
    command = next(line.split(":", 1)[1].split() for line in header if line.startswith("# Command:"))
    assert command[:2] == ["holdfast", "demo"] or command[:3] == ["holdfast", "run", name]
    assert resolve(name, NEEDED[name]).recipe.description


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_resolved_recipe_reads_back_as_the_same_recipe_with_the_same_sources(name: str, tmp_path: Path) -> None:
    first = resolve(name, [*NEEDED[name], "budget=90s"])
    again = resolve(write(tmp_path, "recipe.yaml", dump(first)))
    assert (again.recipe, again.sources) == (first.recipe, first.sources)
    assert dump(again) == dump(first)


def test_groups_in_a_list_read_back_as_they_are(tmp_path: Path) -> None:
    text = """
extends: smoke
corpus:
  path: texts
  overrides:
    - {match: "*.txt", enabled: false, reason: "no: too bad"}
    - {match: old, clean: [nfc], gates: {min_chars: 1k, languages: [], licences: {deny: [x*]}}}
"""
    first = resolve(write(tmp_path, "recipe.yaml", text))
    assert first.recipe.corpus.overrides[1].gates is not None
    assert first.recipe.corpus.overrides[1].gates.min_chars == 1000
    again = resolve(write(tmp_path, "again.yaml", dump(first)), ["name=recipe"])
    assert again.recipe.corpus == first.recipe.corpus


@profile(max_examples=30)
@given(texts=st.lists(st.text(max_size=20), max_size=4), clip=st.floats(1e-6, 10), seed=st.integers(0, 10**12))
def test_any_value_survives_being_written_and_read(
    texts: list[str], clip: float, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    resolved = resolve("demo")
    changed = resolved.recipe.model_copy(
        update={
            "seed": seed,
            "evaluate": resolved.recipe.evaluate.model_copy(update={"prompts": texts}),
            "pretrain": resolved.recipe.pretrain.model_copy(update={"clip": clip}),
        }
    )
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(dump(Resolved(changed, resolved.sources)).encode("utf-8"))
    assert resolve(path).recipe == changed


def test_every_value_knows_where_it_came_from(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "seed: 1\npretrain: {steps: 5, clip: 2}\nsft: {enabled: false}\n")
    top = write(tmp_path, "top.yaml", "extends: base.yaml\npretrain: {clip: off}\n")
    resolved = resolve(top, ["corpus.path=a b"])
    assert resolved.sources["seed"] == "extends base.yaml"
    assert resolved.sources["pretrain.clip"] == f"file {top}"
    assert resolved.sources["corpus.path"] == "command line"
    assert resolved.sources["device"] == "default"
    assert resolved.sources["name"] == "file name"
    assert set(resolved.sources) == {setting.path for setting in settings(Recipe)}
    assert (resolved.recipe.name, resolved.recipe.corpus.path) == ("top", "a b")
    assert (resolved.recipe.pretrain.steps, resolved.recipe.pretrain.clip) == (5, None)


def test_a_recipe_may_extend_a_shipped_one(tmp_path: Path) -> None:
    recipe = resolve(write(tmp_path, "mine.yaml", "extends: demo\nseed: 7\n")).recipe
    assert recipe.seed == 7
    assert recipe.corpus == resolve("demo").recipe.corpus


def test_a_circle_of_extends_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "extends: b.yaml\n")
    path = write(tmp_path, "b.yaml", "extends: a.yaml\n")
    assert "extends itself" in causes(path)[0]


@pytest.mark.parametrize("base", ["missing.yaml", "[a, b]", "."])
def test_a_base_that_is_not_there_is_told(base: str, tmp_path: Path) -> None:
    assert len(causes(write(tmp_path, "a.yaml", f"extends: {base}\n"))) == 1


def test_a_missing_recipe_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeFault) as caught:
        resolve("recipes/demmo.yaml")
    assert "did you mean the shipped recipe `demo`?" in caught.value.remedy


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff\xfe\x00seed: 1")
    assert "is not UTF-8 text" in causes(path)[0]
    assert "is a folder" in causes(tmp_path)[0]


def test_a_later_way_of_saying_how_long_replaces_an_earlier_one() -> None:
    recipe = resolve("demo", ["pretrain.tokens=1M", "sft.epochs=2"]).recipe
    assert (recipe.pretrain.steps, recipe.pretrain.tokens) == (None, 1_000_000)
    assert (recipe.sft.steps, recipe.sft.epochs) == (None, 2.0)
    short = resolve("demo", ["budget=2min"])
    assert (short.recipe.pretrain.horizons(), short.recipe.sft.horizons()) == ([], [])
    assert short.sources["sft.steps"] == "set aside for budget"
    mixed = resolve("demo", ["budget=2min", "pretrain.steps=9"]).recipe
    assert (mixed.pretrain.steps, mixed.sft.horizons(), mixed.budget) == (9, [], 120.0)


def test_a_later_source_of_text_replaces_an_earlier_one() -> None:
    recipe = resolve("demo", ["corpus.path=x", "sft.path=[a.jsonl, b.jsonl]"]).recipe
    assert (recipe.corpus.path, recipe.corpus.generator) == ("x", None)
    assert (recipe.sft.path, recipe.sft.generator) == (["a.jsonl", "b.jsonl"], None)


@pytest.mark.parametrize(
    ("word", "cause"),
    [
        ("model.size=huge", "model.size (command line): there is no model size 'huge'"),
        ("model.hidden_size=102", "model.hidden_size (command line): hidden_size"),
        ("model.num_kv_heads=3", "model.num_heads (default): num_heads"),
        ("pretrain.batch_tokens=1000", "pretrain.batch_tokens (command line): 1000 is no multiple"),
        ("pretrain.batch_tokens=1", "pretrain.batch_tokens (command line): 1 is no multiple"),
        ("pretrain.micro_batch_rows=99", "pretrain.micro_batch_rows (command line): 99 rows are more than"),
        ("pretrain.steps=0", "pretrain.steps (command line) must be at least 1, not '0'"),
        ("pretrain.steps=null", "pretrain.steps (command line): nothing says how long to train"),
        ("pretrain.epochs=nan", "pretrain.epochs (command line) can not be 'nan'"),
        ("pretrain.schedule={kind: wsd, warmup_fraction: .8}", "pretrain.schedule (command line) is a group"),
        ("corpus.path=null", "corpus.path (command line): nothing says where the text comes from"),
        ("sft.enabled=true", "sft.steps (default): nothing says how long to train"),
        ("name=../x", "name (command line): '../x' can not name a folder"),
        ("tokenizer.vocab_size=10", "tokenizer (default): vocab_size 10 is too small"),
        ("budget=10", "budget (command line): write a duration with its unit"),
        ("device=gpu", "device (command line) can not be 'gpu'"),
        ("export.to=[gguff]", "export.to[0] (command line) can not be 'gguff'"),
        (
            "corpus.overrides=[{match: a, cleen: [nfc]}]",
            "there is no setting cleen in corpus.overrides[0] (command line)",
        ),
        ("corpus.overrides=[{match: a, clean: [ncf]}]", "corpus.overrides[0][0] (command line) can not be 'ncf'"),
        ("corpus.gates.period=[1850, 1500]", "corpus.gates.period (command line): 1850 is later than 1500"),
        ("n_embd=64", "there is no setting n_embd (command line)"),
    ],
)
def test_what_can_not_work_is_refused_before_anything_starts(word: str, cause: str, tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", SMALL)
    assert any(told.startswith(cause) for told in causes(path, word)), causes(path, word)


def test_contradictions_within_one_file_are_told_together(tmp_path: Path) -> None:
    text = (
        "corpus: {path: a, generator: harbour}\n"
        "pretrain: {steps: 5, epochs: 1, schedule: {kind: wsd, warmup_fraction: 0.8, decay_fraction: 0.5}}\n"
        "sft: {steps: 5}\n"
    )
    told = causes(write(tmp_path, "a.yaml", text))
    assert len(told) == 4
    assert any("steps and epochs both say how long" in cause for cause in told)


def test_free_settings_leave_the_identity_of_a_stage_alone() -> None:
    base, freed = (
        resolve("demo").recipe,
        resolve("demo", ["pretrain.save_minutes=1", "pretrain.keep=9", "name=x"]).recipe,
    )
    assert identity(freed.pretrain) == identity(base.pretrain)
    assert identity(freed) == identity(base)
    for word in ("pretrain.clip=2", "pretrain.optimizer.betas=[0.8, 0.9]", "pretrain.steps=7"):
        assert identity(resolve("demo", [word]).recipe.pretrain) != identity(base.pretrain)


def test_a_stage_depends_on_those_settings_of_the_number_format_that_are_read() -> None:
    def read(*words: str) -> dict[str, object]:
        return resolve("demo", words).recipe.number_format

    unread = ("precision_fallback=fp32", "fp8.format=e4m3", "fp8.backend=torchao")
    assert read("precision=auto") == read("precision=auto", *unread) == {"precision": "auto"}
    assert read("precision=bf16") == read("precision=bf16", *unread[1:])
    assert read("precision=bf16", unread[0]) == {"precision": "bf16", "precision_fallback": "fp32"}
    changed = [read("precision=fp8", word) for word in unread]
    assert len({json.dumps(each) for each in [*changed, read("precision=fp8"), read("precision=fp16")]}) == 5


def test_a_precision_can_not_fall_back_to_itself(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", SMALL)
    (told,) = causes(path, "precision=bf16", "precision_fallback=bf16")
    assert "bf16 can not fall back to itself" in told


def test_the_tables_beside_the_types_name_settings_that_exist() -> None:
    paths = {setting.path for setting in settings(Recipe)}
    assert set(REPLACES) | {path for others in REPLACES.values() for path in others} <= paths
    named = {place.split(",")[0].split(":")[0].split(" ")[0] for place in CALLED.values()}
    assert named - {"--run-dir"} <= paths
    assert not set(CALLED) & {path.rsplit(".", 1)[-1] for path in paths}


def test_every_setting_is_described_with_its_meaning() -> None:
    assert not [setting.path for setting in settings(Recipe) if not setting.field.description]
    page = reference()
    assert not [setting.path for setting in settings(Recipe) if f"| `{setting.path}` |" not in page]


def test_the_schema_knows_every_key_and_no_other() -> None:
    found = schema()
    json.dumps(found, allow_nan=False)
    assert set(found["properties"]) == {*Recipe.model_fields, "extends"}
    assert found["additionalProperties"] is False
    assert {"const": "off"} in found["properties"]["budget"]["anyOf"]


def test_what_can_be_used_of_a_recipe_and_all_that_is_wrong_with_it() -> None:
    words = ["pretrain.stepz=3", "pretrain.batch_tokens=100", "tokenizer.vocab_size=10", "seed=-1", "pretrain.keep=5"]
    resolved, faults = usable("demo", words)
    assert len(faults) == 4, "types and contradictions together"
    assert [path for path in ("pretrain.stepz", "pretrain.batch_tokens", "vocab_size", "seed")
            if not any(path in fault.cause for fault in faults)] == []  # fmt: skip
    assert (resolved.recipe.pretrain.keep, resolved.recipe.seed) == (5, 1337)
    with pytest.raises(RecipeProblems) as refused:
        resolve("demo", words)
    assert [fault.cause for fault in refused.value.faults] == [fault.cause for fault in faults]
    sound, none = usable("demo")
    assert (sound, none) == (resolve("demo"), [])


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("model.tied=true", "pretrain.first_weights=counts"), "need a head of its own"),
        (("model.family=gpt2", "model.num_kv_heads=off", "pretrain.first_weights=counts"), "need a head of its own"),
        (("model.tied=false", "pretrain.first_weights=counts", "pretrain.init_from=runs/old"), "names a trained one"),
        (("model.profile=fast",), "no stock class"),
        (("model.profile=fast", "export.to=[]"), "which they are is counted"),
    ],
)
def test_what_goes_against_each_other_is_told(words: tuple[str, ...], cause: str) -> None:
    assert any(cause in each for each in causes(shipped()["smoke"], *TEXTS, *words))
