"""What stock `transformers` calls our models: a class, a `config.json` and a name for every tensor.

Each of our families is exactly some class that already exists, so no code travels with an export:

    gpt2                                 GPT2LMHeadModel
    transformer, swiglu, qk_norm         Qwen3ForCausalLM
    transformer, swiglu                  LlamaForCausalLM
    transformer, relu2, qk_norm          ApertusForCausalLM
    transformer, relu2                   ArceeForCausalLM
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from holdfast.base.faults import RecipeFault
from holdfast.model.config import Config, GPT2Config, TransformerConfig

# Apertus' activation xIELU (Huang & Schlag 2024) is a_p x^2 + b x above zero and a_n (expm1(x) - x) + b x below, with
# a_p = softplus(alpha_p) and a_n = b + softplus(alpha_n). With b = 0, a_p = 1 and a_n = 0 it is relu(x)^2.
XIELU_AS_RELU2 = {
    "alpha_p": torch.tensor([math.log(math.expm1(1.0))]),
    "alpha_n": torch.tensor([-100.0]),
    "beta": torch.tensor(0.0),
    "eps": torch.tensor(-1e-6),
}


def describe(config: Config) -> dict[str, Any]:
    """The architecture part of `config.json`: the class that loads the export, and its shape. Raises RecipeFault for a
    model that no class is."""
    if isinstance(config, GPT2Config):
        return _describe_gpt2(config)
    classes = {
        ("swiglu", True): ("Qwen3ForCausalLM", "qwen3", "silu"),
        ("swiglu", False): ("LlamaForCausalLM", "llama", "silu"),
        ("relu2", True): ("ApertusForCausalLM", "apertus", "xielu"),
        ("relu2", False): ("ArceeForCausalLM", "arcee", "relu2"),
    }
    if config.profile != "portable":
        raise RecipeFault(
            f"a model of the profile {config.profile} has parts that no stock class has",
            "train with model.profile=portable to export",
        )
    name, model_type, activation = classes[config.mlp, config.qk_norm]
    described = {
        "architectures": [name],
        "model_type": model_type,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_size,
        "hidden_act": activation,
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tied,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        # readers before and after version 5 of transformers look for the base under different keys
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "use_cache": True,
    }
    if model_type in ("llama", "arcee"):
        described["mlp_bias"] = False
    if model_type == "qwen3":
        described |= {"use_sliding_window": False, "sliding_window": None}
    return described


def _describe_gpt2(config: GPT2Config) -> dict[str, Any]:
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.hidden_size,
        "n_layer": config.num_layers,
        "n_head": config.num_heads,
        "n_inner": config.mlp_size,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.norm_eps,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "use_cache": True,
    }


def tensors(config: Config, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under the names, and in the layout, of the class that `describe` names."""
    return _gpt2_tensors(config, weights) if isinstance(config, GPT2Config) else _decoder_tensors(config, weights)


def _decoder_tensors(config: TransformerConfig, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    apertus = config.mlp == "relu2" and config.qk_norm
    parts = {
        "attention_norm": "attention_layernorm" if apertus else "input_layernorm",
        "mlp_norm": "feedforward_layernorm" if apertus else "post_attention_layernorm",
        **{f"attention.{part}": f"self_attn.{part}_proj" for part in "qkvo"},
        **{f"attention.{part}_norm": f"self_attn.{part}_norm" for part in "qk"},
        **{f"mlp.{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")},
    }
    whole = {"embed": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}
    named = {}
    for name, tensor in weights.items():
        layer, part, kind = _split(name)
        named[f"{whole[part] if layer is None else f'model.layers.{layer}.{parts[part]}'}.{kind}"] = tensor
    if apertus:
        for index in range(config.num_layers):
            # copies, as a file may not hold one tensor under two names
            named |= {f"model.layers.{index}.mlp.act_fn.{key}": value.clone() for key, value in XIELU_AS_RELU2.items()}
    return {name: tensor.contiguous() for name, tensor in named.items()}


def _gpt2_tensors(config: GPT2Config, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Its linear layers store (in, out), the transpose of ours, and queries, keys and values are one matrix."""
    whole = {"embed": "wte", "positions": "wpe", "norm": "ln_f"}
    parts = {
        "attention_norm": "ln_1",
        "mlp_norm": "ln_2",
        "attention.o": "attn.c_proj",
        "mlp.up": "mlp.c_fc",
        "mlp.down": "mlp.c_proj",
    }
    named = {}
    for name, tensor in weights.items():
        layer, part, kind = _split(name)
        if layer is None:
            named[f"transformer.{whole[part]}.{kind}"] = tensor
        elif part in parts:
            named[f"transformer.h.{layer}.{parts[part]}.{kind}"] = tensor.T if tensor.ndim == 2 else tensor
    for index in range(config.num_layers):
        for kind in ("weight", "bias"):
            joined = torch.cat([weights[f"layers.{index}.attention.{part}.{kind}"] for part in "qkv"])
            named[f"transformer.h.{index}.attn.c_attn.{kind}"] = joined.T if joined.ndim == 2 else joined
    return {name: tensor.contiguous() for name, tensor in named.items()}


def _split(name: str) -> tuple[str | None, str, str]:
    """`layers.3.mlp.up.weight` is (3, mlp.up, weight); `norm.weight` is (None, norm, weight)."""
    path, kind = name.rsplit(".", 1)
    layers, _, rest = path.partition(".")
    if layers != "layers":
        return None, path, kind
    layer, _, part = rest.partition(".")
    return layer, part, kind
