"""Which layers keep what the backward pass reads again, and which compute it once more: less memory for more time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

SPACING = {"none": None, "every_second": 2, "all": 1}  # policy -> every how-manieth layer is computed again


class Recomputing(Protocol):
    """A model with layers. It computes them by `through`, under this policy; weights and their names are the same."""

    recompute: str


def set_recompute(model: nn.Module, policy: str) -> None:
    """Have a model keep less or more from now on. Raises ValueError for a policy there is not."""
    _spacing(policy)
    cast(Recomputing, model).recompute = policy


def through(layers: Iterable[nn.Module], policy: str, x: Tensor, *rest: Any) -> Tensor:
    """`x` after one layer and the next, each called with (x, *rest). Raises ValueError for a policy there is not.

    A layer that is computed again keeps its input only, and draws the same random numbers the second time, so the
    gradients are the same to the bit. Where no gradient is wanted nothing is kept anyway, and layers just run, as they
    are written: layers that were compiled (`nn.Module.compile`) are so for the shapes of training, not for a cache
    that grows by a token.
    """
    spacing = _spacing(policy)
    for index, layer in enumerate(layers):
        if not torch.is_grad_enabled():
            x = layer.forward(x, *rest)
        elif spacing is not None and index % spacing == 0:
            x = checkpoint(layer, x, *rest, use_reentrant=False, preserve_rng_state=True)
        else:
            x = layer(x, *rest)
    return x


def _spacing(policy: str) -> int | None:
    if policy not in SPACING:
        raise ValueError(f"recompute is one of {', '.join(SPACING)}, not {policy!r}")
    return SPACING[policy]
