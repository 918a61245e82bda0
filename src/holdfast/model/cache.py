"""Keys and values of the tokens a model has already read, so that the next token costs one position, not all."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.model.config import Config


class KVCache:
    """Room for `capacity` positions of `batch` rows, in every layer. `length` positions are filled, in all rows alike.

    Memory is taken once, on the device of the first keys that arrive. `last` (B, 1) holds the ids read last, None as
    long as nothing was read.
    """

    def __init__(self, batch: int, config: Config, capacity: int, dtype: torch.dtype = torch.float32) -> None:
        self.shape = (config.num_layers, 2, batch, config.num_kv_heads, capacity, config.head_size)
        self.dtype = dtype
        self.length = 0
        self.last: Tensor | None = None
        self._store: Tensor | None = None

    @property
    def capacity(self) -> int:
        """Positions there is room for."""
        return self.shape[4]

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store a layer's keys and values (B, K, T, D) behind the filled positions; returns all of them so far.

        Every layer appends once, then `advance` moves the mark. Raises ValueError when the room does not suffice.
        """
        if self._store is None:
            self._store = torch.empty(self.shape, dtype=self.dtype, device=keys.device)
        end = self.length + keys.shape[2]
        if end > self.capacity:
            raise ValueError(f"{end} positions do not fit into a cache of {self.capacity}")
        stored = self._store[layer]
        stored[0, :, :, self.length : end] = keys
        stored[1, :, :, self.length : end] = values
        return stored[0, :, :, :end].to(keys.dtype), stored[1, :, :, :end].to(values.dtype)

    def advance(self, count: int, last: Tensor) -> None:
        """`count` more positions are filled, the last of them with the ids (B, 1)."""
        self.length += count
        self.last = last

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only: (R,) indices, in the new order."""
        self.shape = (*self.shape[:2], len(rows), *self.shape[3:])
        if self._store is not None:
            self._store = self._store[:, :, rows]
        if self.last is not None:
            self.last = self.last[rows]
