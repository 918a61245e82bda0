"""The processes that train together, as a step of training sees them; and the case of a single one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from holdfast.base.records import Batch


class Ranks(Protocol):
    """The processes that train together. Every rank calls the same methods in the same order.

    A step is: each rank's gradients, `total`, `sum_gradients`, `length`, the optimizer. Where the ranks hold their
    weights in common, each of them steps a share of the parameters, and `meet` is called before and after that.
    """

    rank: int
    world_size: int
    shares: int  # into which the optimizer's step is dealt where weights are held
    mine: Sequence[int]  # those of them that this process steps

    def parts(self, batch: Batch) -> Sequence[tuple[int, Batch]]:
        """What this process computes of what it read of a batch: the rows of each rank, with its number."""
        ...

    def keep(self, rank: int, parameters: Sequence[Tensor]) -> None:
        """The gradients are those of all rows of `rank`."""
        ...

    def total(self, *values: float) -> tuple[float, ...]:
        """Each of `values` summed over all ranks, the same on all of them."""
        ...

    def meet(self) -> None:
        """Return when all ranks are here."""
        ...

    def hold(self, tensors: Sequence[Tensor]) -> bool:
        """Move tensors that are alike on all ranks into memory that all of them see, with the first one's values.
        Returns whether there is such memory."""
        ...

    def hold_gradients(self, parameters: Mapping[str, nn.Parameter], shares: Sequence[frozenset[str]]) -> None:
        """For parameters that are held: have each rank's gradients where all see them. shares: by rank, the names of
        the parameters that it steps."""
        ...

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace the gradients by their sums over all ranks; those that another rank steps are let go of. The last
        thing called before it is `total`, which tells that everybody's are there."""
        ...

    def length(self, gradients: Sequence[Tensor]) -> float:
        """The Euclidean length of what `sum_gradients` left, over all shares, the same on all ranks."""
        ...

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the first rank's."""
        ...

    def share(self, word: Any = None) -> Any:
        """The first rank's `word`, a JSON value, on all ranks; what the others give does not count."""
        ...


class Alone:
    """A single process."""

    rank = 0
    world_size = 1
    shares = 1
    mine: Sequence[int] = (0,)

    def parts(self, batch: Batch) -> Sequence[tuple[int, Batch]]:
        """All of it."""
        return [(0, batch)]

    def keep(self, rank: int, parameters: Sequence[Tensor]) -> None:
        """Nobody else has any."""

    def total(self, *values: float) -> tuple[float, ...]:
        """The values."""
        return values

    def meet(self) -> None:
        """All are here."""

    def hold(self, tensors: Sequence[Tensor]) -> bool:
        """Nobody else is to see them."""
        return False

    def hold_gradients(self, parameters: Mapping[str, nn.Parameter], shares: Sequence[frozenset[str]]) -> None:
        """Nobody else is to see them."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Nothing to add."""

    def length(self, gradients: Sequence[Tensor]) -> float:
        """Their length."""
        return euclidean(gradients)

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Nobody to give them to."""

    def share(self, word: Any = None) -> Any:
        """The word."""
        return word

    def asked_to_stop(self) -> str | None:
        """Nobody else could have been asked."""
        return None

    def dismiss(self, code: int) -> None:
        """Nobody to tell."""


def euclidean(tensors: Sequence[Tensor]) -> float:
    """The length of all tensors as one vector; 0 without any."""
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(tensors))))) if tensors else 0.0
