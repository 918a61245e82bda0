"""What the profile "fast" adds to a transformer, and no stock architecture has a place for: vectors for two tokens.

The vector of a token is the start of what the layers work on; with a vector for the token and the one before it they
start further on. It is looked up and added, so it costs no arithmetic. Others hash the pairs into a table (Svenstrup
et al. 2017); here the most frequent ones of the corpus have a row each, and all others share the last. What the rows
start from is in counted.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

NOBODY = -1  # stands before a token that begins a row or a segment


class PairTable(nn.Embedding):
    """(rows, C): looked up by a token and the one before it. `keys` (rows - 1,) says whose the rows are, as
    token * V + token before, in rising order; before it is set no pair is known."""

    keys: Tensor

    def __init__(self, rows: int, vocab_size: int, width: int) -> None:
        super().__init__(rows, width)
        self.vocab_size = vocab_size
        self.register_buffer("keys", torch.full((rows - 1,), torch.iinfo(torch.int64).max))

    def forward(self, ids: Tensor, before: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """(B, T, C) for ids (B, T).

        before:   (B, 1) the token that stands in front of each row; None: the row begins there.
        segments: (B, T) as in the model; a pair never reaches across two.
        """
        first = torch.full_like(ids[:, :1], NOBODY) if before is None else before
        previous = torch.cat([first, ids[:, :-1]], 1)
        if segments is not None:
            previous[:, 1:].masked_fill_(segments[:, 1:] != segments[:, :-1], NOBODY)
        return super().forward(self.rows(previous, ids))

    def rows(self, previous: Tensor, ids: Tensor) -> Tensor:
        """Where each pair stands in the table."""
        pair = torch.where(previous >= 0, ids * self.vocab_size + previous, NOBODY)
        place = torch.searchsorted(self.keys, pair).clamp(max=len(self.keys) - 1)
        return torch.where(self.keys[place] == pair, place, len(self.keys))
