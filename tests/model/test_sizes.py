"""Named sizes: their names tell the truth, and changing one thing keeps the rest in proportion."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.model.config import GPT2Config, TransformerConfig
from holdfast.model.count import parameters
from holdfast.model.sizes import SIZES, size_config

# a name's number counts the layers where the vocabulary is the user's, and everything where it is part of the name
LAYERS = {"1m": 1.2e6, "5m": 4.7e6, "14m": 14.2e6, "25m": 25.2e6, "85m-char": 85e6}
WHOLE = {
    "slm-109m": (30_000, 109e6),
    "gpt2-124m": (50_257, 124.4e6),
    "medium-334m": (30_000, 334e6),
    "d4": (65_536, 36.7e6),
    "d8": (65_536, 92.3e6),
    "d20": (65_536, 561e6),
    "d32": (65_536, 1.88e9),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_name_tells_the_weights_of_the_layers(name: str) -> None:
    config = size_config(name, vocab_size=64)
    layers = parameters(config) - config.vocab_size * config.hidden_size
    assert layers == pytest.approx(LAYERS[name], rel=0.1)


@pytest.mark.parametrize("name", WHOLE)
def test_a_name_tells_the_weights_of_the_whole(name: str) -> None:
    vocab_size, count = WHOLE[name]
    assert parameters(size_config(name, vocab_size)) == pytest.approx(count, rel=0.02)


@pytest.mark.parametrize("name", SIZES)
def test_every_size_is_a_valid_model_of_round_widths(name: str) -> None:
    config = size_config(name, vocab_size=8192)
    assert config.head_size in (32, 64)
    assert config.context_length == SIZES[name].context_length
    if isinstance(config, TransformerConfig):
        assert config.intermediate_size % 128 == 0
        assert 7.5 <= config.intermediate_size * (3 if config.mlp == "swiglu" else 2) / config.hidden_size <= 9


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"hidden_size": 256}, {"num_heads": 8, "num_kv_heads": 8, "head_size": 32}),
        ({"num_heads": 2}, {"num_heads": 2, "num_kv_heads": 2, "head_size": 64}),
        ({"num_kv_heads": 1}, {"num_heads": 4, "num_kv_heads": 1}),
        ({"mlp": "relu2"}, {"mlp": "relu2", "intermediate_size": 512}),
        ({"mlp": "swiglu"}, {"mlp": "swiglu", "intermediate_size": 384}),
        ({"hidden_size": 256, "mlp": "relu2"}, {"intermediate_size": 1024}),
        ({"intermediate_size": 100}, {"intermediate_size": 100}),
        ({"hidden_size": 136}, {"num_heads": 4, "head_size": 34}),
        ({"tied": False, "num_layers": None}, {"tied": False, "num_layers": 4}),
    ],
    ids=str,
)
def test_what_is_not_given_follows_what_is(overrides: dict[str, Any], expected: dict[str, Any]) -> None:
    config = size_config("tiny", 512, 64, **overrides)
    assert {name: getattr(config, name) for name in expected} == expected
    assert (config.vocab_size, config.context_length) == (512, 64)


def test_a_size_can_be_had_in_the_other_family() -> None:
    config = size_config("tiny", 512, family="gpt2", dropout=0.1)
    assert isinstance(config, GPT2Config)
    assert (config.hidden_size, config.num_layers, config.dropout) == (128, 4, 0.1)
    assert isinstance(size_config("gpt2-124m", 512, family="transformer"), TransformerConfig)


@pytest.mark.parametrize(
    ("name", "overrides", "says"),
    [
        ("tinny", {}, "no model size 'tinny'; near it: tiny"),
        ("gpt2", {}, "near it: gpt2-124m"),
        ("d40", {}, "near it: d4 to d32"),
        ("???", {}, "sizes: tiny, 1m"),
        ("tiny", {"mpl": "relu2"}, "transformer has no setting mpl"),
        ("gpt2-124m", {"qk_norm": True}, "gpt2 has no setting qk_norm"),
        ("tiny", {"family": "rnn"}, "no model family 'rnn'"),
        ("tiny", {"num_heads": 3}, "must be a multiple"),
    ],
)
def test_mistakes_are_answered_with_what_there_is(name: str, overrides: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("???", r"\?\?\?")):
        size_config(name, 512, **overrides)
