"""Parity with stock transformers, and that the check notices what it must."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from holdfast.publish import parity
from holdfast.publish.expected import expect
from holdfast.publish.export import write_model, write_tokenizer
from holdfast.publish.parity import Differs, Expected, Greedy, compare, compare_greedy
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train

needs_transformers = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")

FAMILIES = [
    ("Qwen3ForCausalLM", {}),
    ("Qwen3ForCausalLM", {"tied": False, "num_kv_heads": 4, "head_dim": 16, "rope_theta": 500.0}),
    ("LlamaForCausalLM", {"qk_norm": False}),
    ("LlamaForCausalLM", {"qk_norm": False, "tied": False, "num_kv_heads": 1, "norm_eps": 1e-3}),
    ("ApertusForCausalLM", {"mlp": "relu2"}),
    ("ApertusForCausalLM", {"mlp": "relu2", "tied": False, "num_kv_heads": 4, "head_dim": 16}),
    ("ArceeForCausalLM", {"mlp": "relu2", "qk_norm": False}),
    ("ArceeForCausalLM", {"mlp": "relu2", "qk_norm": False, "tied": False, "num_kv_heads": 4}),
    ("GPT2LMHeadModel", {"family": "gpt2"}),
    ("GPT2LMHeadModel", {"family": "gpt2", "intermediate_size": 40, "norm_eps": 1e-3}),
]


def written(folder: Path, trained: Any, dtype: torch.dtype = torch.float32) -> Expected:
    """The exported files of a miniature in `folder`, and what they must reproduce."""
    config, chat = trained.model.config, trained.stage == "sft"
    weights = {name: tensor.detach().to(dtype) for name, tensor in trained.model.state_dict().items()}
    folder.mkdir(exist_ok=True)
    write_model(folder, config, weights, trained.tokenizer, chat)
    write_tokenizer(folder, trained.tokenizer, config.context_length, chat)
    trained.model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return expect(trained.model, trained.tokenizer, config.context_length, chat)


@pytest.mark.slow
@needs_transformers
@pytest.mark.parametrize(("name", "values"), FAMILIES)
def test_stock_classes_compute_what_our_model_computes(
    tmp_path: Path, make: Callable[..., Any], name: str, values: dict[str, Any]
) -> None:
    result = compare(tmp_path, written(tmp_path, make(**values)))
    assert result["class"] == name
    assert result["max_abs_logit_difference"] < 1e-4
    assert result["chats_equal"] == 2


@pytest.mark.slow
@needs_transformers
@pytest.mark.parametrize("values", [{"mlp": "relu2"}, {"family": "gpt2"}])
def test_rounded_weights_are_compared_as_they_are(
    tmp_path: Path, make: Callable[..., Any], values: dict[str, Any]
) -> None:
    compare(tmp_path, written(tmp_path, make(**values), torch.bfloat16))


@pytest.mark.slow
@needs_transformers
@pytest.mark.parametrize("kind", ["char", "byte"])
def test_every_kind_of_tokenizer_is_read_by_stock_software(tmp_path: Path, make: Callable[..., Any], kind: str) -> None:
    tokenizer = train(iter(["abcdefgh ijklm é.\n"]), TokenizerSettings(kind=kind, vocab_size=320))
    compare(tmp_path, written(tmp_path, make(speaks=tokenizer)))


@pytest.mark.slow
@needs_transformers
def test_a_base_model_has_no_chat_template_and_ends_with_its_document(tmp_path: Path, make: Callable[..., Any]) -> None:
    trained = make(stage="pretrain")
    assert compare(tmp_path, written(tmp_path, trained))["chats_equal"] == 0
    assert not (tmp_path / "chat_template.jinja").exists()
    assert json.loads((tmp_path / "config.json").read_text())["eos_token_id"] == trained.tokenizer.eot


@pytest.mark.slow
@needs_transformers
def test_every_difference_is_noticed(tmp_path: Path, make: Callable[..., Any]) -> None:
    expected = written(tmp_path, make())
    probe, greedy, text, chat = expected.probes[0], expected.greedy[0], expected.texts[0], expected.chats[0]
    wrong = {
        "logits differ": replace(expected, probes=[replace(probe, logits=probe.logits + 2e-4)]),
        "logits differ by nan": replace(expected, probes=[replace(probe, logits=probe.logits * torch.nan)]),
        "shape": replace(expected, probes=[replace(probe, logits=probe.logits[:, :-1])]),
        "greedy text": replace(
            expected, greedy=[replace(greedy, continuation=[(i + 1) % 200 for i in greedy.continuation])]
        ),
        "tokens of": replace(expected, texts=[replace(text, ids=text.ids[:-1])]),
        "chat template": replace(expected, chats=[replace(chat, ids=[*chat.ids, 0])]),
        "assistant mask": replace(expected, chats=[replace(chat, mask=[False for _ in chat.mask])]),
        "chat prompt": replace(expected, chats=[replace(chat, prompt=chat.prompt[:-1])]),
    }
    for why, other in wrong.items():
        with pytest.raises(Differs, match=why):
            compare(tmp_path, other)


class Undecided:
    """Two candidates that lie `gap` apart; `generate` takes the first, our side took the second."""

    def __init__(self, gap: float) -> None:
        self.logits = torch.tensor([[[1.0, 1.0 - gap]]])

    def generate(self, prompt: torch.Tensor, **settings: Any) -> torch.Tensor:
        return torch.cat([prompt, torch.zeros(1, settings["max_new_tokens"], dtype=torch.long)], 1)

    def __call__(self, ids: torch.Tensor) -> Undecided:
        return self


def test_a_tie_may_fall_either_way_and_a_preference_may_not() -> None:
    compare_greedy(Undecided(gap=1e-6), Greedy([0], [0, 1, 1]))
    with pytest.raises(Differs, match="at token 1"):
        compare_greedy(Undecided(gap=1e-3), Greedy([0], [0, 1, 1]))


def test_what_is_expected_survives_the_disk(tmp_path: Path, make: Callable[..., Any]) -> None:
    expected = expect(make().model, make().tokenizer, 64, chat=True)
    expected.save(tmp_path)
    again = Expected.load(tmp_path)
    assert replace(again, probes=[]) == replace(expected, probes=[])
    for one, other in zip(again.probes, expected.probes, strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.logits, other.logits)


def test_the_check_refuses_to_start_without_its_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(parity.Fault) as fault:
        parity.require_transformers()
    assert "holdfast[hf]" in fault.value.remedy
