"""The named sizes, counted for a vocabulary."""

from __future__ import annotations

from typing import Any

from holdfast.model.config import config_to_dict
from holdfast.model.count import parameters
from holdfast.model.sizes import SIZES, size_config


def named_sizes(vocab_size: int) -> list[dict[str, Any]]:
    """Every size, smallest first: its name, its computed parameters and the values of its config."""
    configs = {name: size_config(name, vocab_size) for name in SIZES}
    found = [
        {"size": name, "parameters": parameters(config), **config_to_dict(config)} for name, config in configs.items()
    ]
    return sorted(found, key=lambda each: int(each["parameters"]))
