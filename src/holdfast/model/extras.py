"""What the profile "fast" adds to a transformer, and no stock architecture has a place for: a vector for two tokens.

The vector of a token is the start of what the layers work on; with a vector for the token and the one before it they
start further on (hashed bigram embeddings, after Svenstrup et al. 2017). It is looked up and added, so it costs no
arithmetic, and a model of few layers gains more by it than by another layer. The table has fewer rows than there are
pairs: pairs share rows by chance, and rare ones matter little. It starts at zero, so that a model begins as it would
without.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ODD = 0x9E3779B97F4A7C15 - 2**64  # 2^64 over the golden ratio, as a signed number (Knuth, multiplicative hashing)


class PairTable(nn.Embedding):
    """(rows, C): looked up by the token and the one before it."""

    def __init__(self, rows: int, vocab_size: int, width: int) -> None:
        super().__init__(rows, width)
        self.vocab_size = vocab_size

    def forward(self, ids: Tensor, before: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """(B, T, C) for ids (B, T).

        before:   (B, 1) the token that stands in front of each row; None: the row begins there.
        segments: (B, T) as in the model; a pair never reaches across two.
        """
        nothing = torch.full_like(ids[:, :1], self.vocab_size)
        previous = torch.cat([nothing if before is None else before, ids[:, :-1]], 1)
        if segments is not None:
            first = segments[:, 1:] != segments[:, :-1]
            previous[:, 1:].masked_fill_(first, self.vocab_size)
        return super().forward(self.row(previous, ids))

    def row(self, previous: Tensor, ids: Tensor) -> Tensor:
        """The row of each pair; `previous` is the vocabulary's size where nothing stands before."""
        key = (previous * (self.vocab_size + 1) + ids) * ODD  # the high bits of the product are the mixed ones
        return (key >> 33 & 0x7FFFFFFF) % self.num_embeddings
