"""Configs refuse shapes that can not work, and survive the way through a manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.model.config import Config, TransformerConfig, config_from_dict, config_to_dict

GOOD: dict[str, Any] = {
    "family": "transformer",
    "vocab_size": 64,
    "context_length": 16,
    "hidden_size": 32,
    "num_layers": 1,
    "num_heads": 4,
    "num_kv_heads": 2,
    "intermediate_size": 48,
}


def test_a_config_comes_back_from_json(config: Config) -> None:
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"num_layers": 0}, "num_layers must be at least 1, not 0"),
        ({"num_heads": 5}, r"hidden_size \(32\) must be a multiple of num_heads \(5\)"),
        ({"num_kv_heads": 3}, r"num_heads \(4\) must be a multiple of num_kv_heads \(3\)"),
        ({"hidden_size": 36}, "even head width, not 9"),
        ({"mlp": "gelu"}, "swiglu or relu2, not 'gelu'"),
        ({"dropout": 1.0}, "dropout"),
        ({"rope_theta": 0.0}, "rope_theta must be above 0"),
        ({"norm_eps": float("nan")}, "norm_eps must be above 0"),
        ({"family": "mamba"}, "no model family 'mamba'; families: transformer, gpt2"),
        ({"family": None}, "no model family"),
        ({"softcap": 15}, "transformer has no setting softcap"),
        ({"family": "gpt2"}, "gpt2 has no setting num_kv_heads"),
    ],
)
def test_what_can_not_work_is_refused_with_its_numbers(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        config_from_dict(GOOD | change)


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ValueError, match="vocab_size"):
        config_from_dict({key: value for key, value in GOOD.items() if key != "vocab_size"})


def test_heads_may_be_wider_than_their_share() -> None:
    config = config_from_dict(GOOD | {"head_dim": 64})
    assert isinstance(config, TransformerConfig)
    assert config.head_size == 64
