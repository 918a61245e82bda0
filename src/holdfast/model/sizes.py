"""Models by name. A size says shapes only; the vocabulary comes from the tokenizer, and any value can be overridden."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, fields
from typing import Any

from holdfast.model.config import Config, GPT2Config, Mlp, TransformerConfig

MLP_MULTIPLE = 128  # widths that matrix products, and the block formats of quantised files, divide evenly
DEPTHS = range(4, 33)
DEPTH_HEAD_SIZE = 64
AUTO = "auto"  # the size that a budget decides on, see stages/sizing.py; until then that of five minutes on two cores


@dataclass(frozen=True, slots=True)
class Size:
    """The shape of a model up to its vocabulary; `mlp` and `tied` say nothing for gpt2, where both are fixed."""

    num_layers: int
    hidden_size: int
    num_heads: int
    context_length: int
    family: str = "transformer"
    mlp: Mlp = "swiglu"
    tied: bool = True


SIZES: dict[str, Size] = {
    "tiny": Size(4, 128, 4, 256),
    "1m": Size(6, 128, 4, 256),
    "5m": Size(6, 256, 4, 512),
    "14m": Size(8, 384, 6, 512),
    "25m": Size(8, 512, 8, 512),
    "85m-char": Size(12, 768, 12, 256),
    "slm-109m": Size(12, 768, 12, 512),
    "gpt2-124m": Size(12, 768, 12, 1024, family="gpt2"),
    "medium-334m": Size(24, 1024, 16, 1024),
} | {
    # one dial, as nanochat has it: the width is 64 times the depth
    f"d{depth}": Size(depth, DEPTH_HEAD_SIZE * depth, depth, 1024, mlp="relu2", tied=False)
    for depth in DEPTHS
}


def size_config(name: str, vocab_size: int, context_length: int | None = None, **overrides: Any) -> Config:
    """The config of a named size for a vocabulary. `context_length` None is the size's own.

    Overrides are settings of the config, and `family`; those that are None do not count. What is not given follows
    what is: heads keep their width, keys and values have as many heads as queries, the feed-forward part its ratio.
    Raises ValueError for an unknown name, naming the nearest, for a setting the family does not have, and for shapes
    that do not fit together.
    """
    size = find_size(name)
    given = {key: value for key, value in overrides.items() if value is not None}
    family = given.pop("family", size.family)
    hidden_size = given.pop("hidden_size", size.hidden_size)
    values: dict[str, Any] = {
        "vocab_size": vocab_size,
        "context_length": context_length or size.context_length,
        "hidden_size": hidden_size,
        "num_layers": size.num_layers,
        "num_heads": _heads(size, hidden_size),
    }
    if family == "gpt2":
        return GPT2Config(**_known(GPT2Config, family, values | given))
    if family != "transformer":
        raise ValueError(f"there is no model family {family!r}; families: transformer, gpt2")
    values |= {"mlp": size.mlp, "tied": size.tied} | given
    values.setdefault("num_kv_heads", values["num_heads"])
    values.setdefault("intermediate_size", mlp_size(hidden_size, values["mlp"]))
    return TransformerConfig(**_known(TransformerConfig, family, values))


def find_size(name: str) -> Size:
    """The size of that name; `auto` is one, too. Raises ValueError, with the nearest names, when there is none."""
    if name == AUTO:
        return Size(4, 256, 4, 256, mlp="relu2", tied=False)
    if name in SIZES:
        return SIZES[name]
    near = difflib.get_close_matches(name.lower(), SIZES, n=3, cutoff=0.5)
    if re.fullmatch(r"d\d+", name.lower()):
        near = [f"d{DEPTHS[0]} to d{DEPTHS[-1]}"]
    hint = f"near it: {', '.join(near)}" if near else f"sizes: {', '.join(SIZES)}"
    raise ValueError(f"there is no model size {name!r}; {hint}")


def mlp_size(hidden_size: int, mlp: str) -> int:
    """Width of the feed-forward part that gives it about 8 hidden_size^2 weights, whichever kind it is."""
    if mlp == "relu2":
        return 4 * hidden_size
    return max(1, round(8 * hidden_size / 3 / MLP_MULTIPLE)) * MLP_MULTIPLE


def _heads(size: Size, hidden_size: int) -> int:
    """Heads of the size's own width, as many as fill the model; the size's number where that does not come out even."""
    head_size = size.hidden_size // size.num_heads
    return hidden_size // head_size if hidden_size % head_size == 0 else size.num_heads


def _known(kind: type[TransformerConfig] | type[GPT2Config], family: str, values: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    if unknown := [name for name in values if name not in names]:
        raise ValueError(f"{family} has no setting {unknown[0]}; it has {', '.join(sorted(names))}")
    return values
