"""Which parameters are treated alike: hidden matrices, matrices at the rim, and all that must not decay."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, fields

from torch import nn


@dataclass(frozen=True, slots=True)
class Groups:
    """A model's trainable parameters by name; each is in exactly one group.

    hidden:  matrices inside the layers. They map vectors to vectors, which is what Muon is for.
    output:  the head, a matrix with one row per token; it decays, but its rows are separate questions.
    steady:  embeddings, norms and biases, which never decay: few of an embedding's rows get a gradient in a step,
             and the others would shrink for nothing; the rest are scales and offsets that zero would switch off.
    """

    hidden: dict[str, nn.Parameter] = field(default_factory=dict)
    output: dict[str, nn.Parameter] = field(default_factory=dict)
    steady: dict[str, nn.Parameter] = field(default_factory=dict)

    def only(self, names: Container[str]) -> Groups:
        """Those of them that have one of these names."""
        kept = (
            {name: each for name, each in getattr(self, part.name).items() if name in names} for part in fields(self)
        )
        return Groups(*kept)


def group(model: nn.Module) -> Groups:
    """Sort the parameters of a model whose hidden layers are under `layers`. A tied table is an embedding."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    groups = Groups()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.ndim != 2 or id(parameter) in tables:
            groups.steady[name] = parameter
        elif name.startswith("layers."):
            groups.hidden[name] = parameter
        else:
            groups.output[name] = parameter
    return groups
