"""Batches as a pure function of their index: nothing is remembered, so any batch of any run can be had at any time."""

from __future__ import annotations

from typing import Literal

import numpy as np

from holdfast.base.faults import DataFault, RecipeFault
from holdfast.base.records import Batch
from holdfast.feed.order import shuffled
from holdfast.feed.pack import Documents, Windows
from holdfast.feed.shards import Shards

Packing = Literal["windows", "documents"]
_VIEWS: dict[Packing, type[Windows] | type[Documents]] = {"windows": Windows, "documents": Documents}


class Feed:
    """An endless shuffled sequence of rows, dealt out in batches of `rows`.

    Every epoch holds each row of the corpus once, in an order of its own. A rank of several gets its share of each
    batch; joined in rank order the shares are the batch of a single rank. A corpus smaller than a row is one row,
    padded.
    Raises DataFault when no token can be trained, RecipeFault when a rank would get no row.
    """

    def __init__(
        self,
        shards: Shards,
        context_length: int,
        rows: int,
        seed: int,
        packing: Packing = "windows",
        pad_id: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if min(context_length, rows) < 1:
            raise RecipeFault(
                f"a batch of {rows} rows of {context_length} tokens is empty", "ask for at least one row and one token"
            )
        if not 0 <= rank < world_size <= rows:
            raise RecipeFault(
                f"rank {rank} of {world_size} gets no row of a batch of {rows}",
                "use at least as many rows per batch as there are processes",
            )
        self.rows = rows
        self.seed = seed
        self.share = range(rank * rows // world_size, (rank + 1) * rows // world_size)
        self._view = _VIEWS[packing](shards, context_length, pad_id)
        if not self.trained_tokens_per_epoch:
            raise DataFault(
                f"there is nothing to learn in {shards.directory}: "
                f"{shards.tokens} tokens in {shards.documents} documents, and no target among them",
                "give more text",
            )

    @property
    def rows_per_epoch(self) -> int:
        """Rows that hold the whole corpus once."""
        return self._view.rows

    @property
    def trained_tokens_per_epoch(self) -> int:
        """Targets that carry loss in one epoch."""
        return self._view.trained_tokens

    @property
    def epochs_per_batch(self) -> float:
        """How often one batch goes through the corpus. Above 1 a batch repeats rows: the corpus is too small for it."""
        return self.rows / self.rows_per_epoch

    def batch_at(self, index: int) -> Batch:
        """This rank's share of batch `index` >= 0: samples index * rows + share of the endless sequence."""
        positions = np.arange(index * self.rows + self.share.start, index * self.rows + self.share.stop)
        return self._view.batch(shuffled(positions, self.rows_per_epoch, self.seed))

    def in_order(self, start: int, stop: int) -> Batch:
        """Rows start..stop-1 of the corpus as they lie, for evaluation; at most rows_per_epoch of them."""
        return self._view.batch(np.arange(start, min(stop, self.rows_per_epoch)))
