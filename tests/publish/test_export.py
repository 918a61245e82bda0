"""An export is there whole and proved, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from holdfast.base.faults import DiskFault, Fault, RecipeFault
from holdfast.publish import parity
from holdfast.publish.card import Facts
from holdfast.publish.export import export

FILES = {
    "README.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "parity.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Agree with everything, in place of the fresh process; gives the folders that were judged."""
    judged: list[Path] = []

    def prove(folder: Path, expected: Path) -> dict[str, Any]:
        judged.append(folder)
        result = {"max_abs_logit_difference": 1e-7, "class": "Qwen3ForCausalLM"}
        (folder / parity.RESULT).write_text(json.dumps(result))
        return result

    monkeypatch.setattr(parity, "prove", prove)
    monkeypatch.setattr(parity, "require_transformers", lambda: None)
    return judged


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_the_folder_holds_what_old_and_new_readers_look_for(
    tmp_path: Path, make: Callable[..., Any], judge: list[Path]
) -> None:
    trained, out = make(rope_theta=5000.0), tmp_path / "deep" / "export"
    export(trained, "hf", out, "bf16")
    assert {path.name for path in out.iterdir()} == FILES
    config, special = read(out / "config.json"), trained.tokenizer.special
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 5000.0
    assert config["dtype"] == config["torch_dtype"] == "bfloat16"
    ends = [special["<|assistant_end|>"], special["<|eot|>"]]
    assert config["eos_token_id"] == ends[0]
    assert read(out / "generation_config.json")["eos_token_id"] == ends
    named = read(out / "tokenizer_config.json")
    assert named["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert named["model_max_length"] == config["max_position_embeddings"] == 64
    assert named["chat_template"] == (out / "chat_template.jinja").read_text("utf-8")
    with safe_open(out / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118


def test_it_is_judged_aside_and_an_empty_folder_may_be_there(
    tmp_path: Path, make: Callable[..., Any], judge: list[Path]
) -> None:
    out = tmp_path / "export"
    out.mkdir()
    export(make(), "hf", out)
    assert judge[0] != out
    assert judge[0].parent == out.parent
    assert list(tmp_path.iterdir()) == [out]


def test_the_card_says_what_is_known_and_nothing_else(
    tmp_path: Path, make: Callable[..., Any], judge: list[Path]
) -> None:
    export(make(), "hf", tmp_path / "plain")
    plain = (tmp_path / "plain" / "README.md").read_text("utf-8")
    assert plain.startswith("---\nlanguage: en\n")
    assert "# plain" in plain
    assert "12,345" in plain
    assert "license" not in plain
    assert "bits per byte" not in plain
    export(make(), "hf", tmp_path / "told", facts=Facts("Salt", 1.25, ["harbour: generated"], "apache-2.0"))
    told = (tmp_path / "told" / "README.md").read_text("utf-8")
    assert all(word in told for word in ("# Salt", "1.2500", "- harbour: generated", "license: apache-2.0"))


@pytest.mark.parametrize("failure", [Fault("logits differ", "report"), KeyboardInterrupt()])
def test_what_is_not_proved_is_not_there(
    tmp_path: Path, make: Callable[..., Any], judge: list[Path], monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def prove(folder: Path, expected: Path) -> dict[str, Any]:
        raise failure

    monkeypatch.setattr(parity, "prove", prove)
    with pytest.raises(type(failure)):
        export(make(), "hf", tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_ever_overwritten(tmp_path: Path, make: Callable[..., Any], judge: list[Path]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("full", "file"):
        with pytest.raises(Fault, match="exists"):
            export(make(), "hf", tmp_path / name)
    with pytest.raises(DiskFault, match="can not be written"):
        export(make(), "hf", tmp_path / "file" / "below")
    assert (tmp_path / "full" / "mine.txt").read_text() == (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize(("to", "dtype", "remedy"), [("onnx", "fp32", "formats: hf"), ("hf", "fp8", "fp32, bf16")])
def test_unknown_formats_are_answered_with_the_known(
    tmp_path: Path, make: Callable[..., Any], to: str, dtype: str, remedy: str
) -> None:
    with pytest.raises(RecipeFault) as fault:
        export(make(), to, tmp_path / "export", dtype)
    assert remedy in fault.value.remedy


@pytest.mark.slow
@pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
def test_a_fresh_process_agrees_and_its_verdict_is_kept(tmp_path: Path, make: Callable[..., Any]) -> None:
    result = export(make(mlp="relu2"), "hf", tmp_path / "export", "bf16")
    assert result == read(tmp_path / "export" / "parity.json")
    assert result["class"] == "ApertusForCausalLM"
    assert result["greedy_tokens"] > 100
    assert "transformers" in result["versions"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
def test_a_fresh_process_that_disagrees_says_what_differs(
    tmp_path: Path, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.publish.export.CHAT_TEMPLATE", "<|bos|>{{ messages[0]['content'] }}")
    with pytest.raises(Fault, match="chat template: from place"):
        export(make(), "hf", tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_what_no_stock_class_has_is_refused(tmp_path: Path, make: Callable[..., Any], judge: list[Path]) -> None:
    with pytest.raises(RecipeFault, match="profile fast"):
        export(make(profile="fast"), "hf", tmp_path / "export")
    assert not list(tmp_path.iterdir())
