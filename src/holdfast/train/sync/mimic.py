"""One process that computes what a team did, to the bit: the share of one rank after the other.

It takes as many times longer, and needs the memory of one team. A replay is made by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from holdfast.base.records import Batch
from holdfast.train.sync.ranks import Alone, euclidean


class Mimic(Alone):
    """In place of `shares` ranks of one machine."""

    def __init__(self, shares: int) -> None:
        self.shares = shares
        self.mine = range(shares)
        self._of: dict[int, int] = {}
        self._kept: dict[int, list[Tensor]] = {}

    def parts(self, batch: Batch) -> Sequence[tuple[int, Batch]]:
        """The rows of each rank."""
        rows = len(batch.inputs)
        return [
            (rank, batch.rows(rank * rows // self.shares, (rank + 1) * rows // self.shares))
            for rank in range(self.shares)
        ]

    def hold(self, tensors: Sequence[Tensor]) -> bool:
        """They are where all shares are computed."""
        return True

    def hold_gradients(self, parameters: Mapping[str, nn.Parameter], shares: Sequence[frozenset[str]]) -> None:
        """Remember who steps what."""
        self._of = {id(parameters[name]): share for share, names in enumerate(shares) for name in names}

    def keep(self, rank: int, parameters: Sequence[Tensor]) -> None:
        """Put the gradients of a rank aside, and begin anew for the next one."""
        self._kept[rank] = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters if rank + 1 < self.shares else ():
            parameter.grad = None

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Sum what was kept, in the order of the ranks."""
        sums = self._kept.pop(0)
        for rank in range(1, self.shares):
            torch._foreach_add_(sums, self._kept.pop(rank))
        held = [parameter for parameter in parameters if parameter.grad is not None]
        self._by_share: list[list[Tensor]] = [[] for _ in range(self.shares)]
        for parameter, total in zip(held, sums, strict=True):
            parameter.grad = total
            self._by_share[self._of[id(parameter)]].append(total)

    def length(self, gradients: Sequence[Tensor]) -> float:
        """The length of all shares together, as ranks that know only their own work it out."""
        return math.sqrt(sum(euclidean(share) ** 2 for share in self._by_share))
