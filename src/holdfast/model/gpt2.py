"""The decoder of Radford et al. 2019, for those who compare with it or import it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from holdfast.model.attention import attend
from holdfast.model.cache import KVCache
from holdfast.model.config import GPT2Config
from holdfast.model.documents import Mask
from holdfast.model.loss import cross_entropy_sum
from holdfast.model.parts import attention_mask, restarting_positions, side_by_side, split_heads
from holdfast.model.recompute import through

__all__ = ["GPT2", "GPT2Config"]


class GPT2(nn.Module):
    """Token ids in, logits out. Parameters are named

    embed.weight (V, C), positions.weight (context, C), norm.{weight,bias} (C), and for every layer N
    layers.N.{attention_norm,mlp_norm}.{weight,bias}, layers.N.attention.{q,k,v,o}.{weight,bias},
    layers.N.mlp.{up,down}.{weight,bias}. Matrices are (out, in). The head is embed.weight.

    recompute: which layers the backward pass computes again, see recompute.py.
    """

    recompute = "none"

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.context_length, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, index) for index in range(config.num_layers))
        self.norm = nn.LayerNorm(config.hidden_size, config.norm_eps)

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        cache: KVCache | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, T, V) for ids (B, T).

        segments:  (B, T), attention stays inside equal numbers and positions start again; None: a row is one segment.
        cache:     what was read before ids; it is read, and extended by ids. Not together with segments.
        positions: (T,) or (B, T) rows of the position table; None: counted on from the cache or the segment's start.
        Raises ValueError when the positions do not fit into the context length.
        """
        return F.linear(self.hidden(ids, segments, cache, positions), self.embed.weight)

    def loss_sum(self, inputs: Tensor, targets: Tensor, segments: Tensor | None = None) -> Tensor:
        """Nats summed over the positions with a target of 0 or more; a scalar. All arguments are (B, T)."""
        return cross_entropy_sum(self.hidden(inputs, segments), self.embed.weight, targets)

    def hidden(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        cache: KVCache | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """What the head reads: (B, T, C), normalised. Arguments as in `forward`."""
        length, past = ids.shape[1], 0 if cache is None else cache.length
        if past + length > self.config.context_length:
            raise ValueError(f"{past + length} positions exceed the context length of {self.config.context_length}")
        if positions is None and segments is not None:
            positions = restarting_positions(segments)
        if positions is None:
            positions = torch.arange(past, past + length, device=ids.device)
        mask = attention_mask(ids, segments, cache)
        x = F.dropout(self.embed(ids) + self.positions(positions), self.config.dropout, self.training)
        if cache is None:
            x = through(self.layers, self.recompute, x, mask, None)
        else:  # a layer extends it: that can not happen twice
            x = through(self.layers, "none", x, mask, cache)
            cache.advance(length, ids[:, -1:])
        normed: Tensor = self.norm(x)
        return normed


class Block(nn.Module):
    """Attention, then the feed-forward part, each added to the stream it reads through a norm."""

    def __init__(self, config: GPT2Config, index: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden_size, config.norm_eps)
        self.attention = Attention(config, index)
        self.mlp_norm = nn.LayerNorm(config.hidden_size, config.norm_eps)
        self.mlp = Mlp(config)
        self.dropout = config.dropout

    def forward(self, x: Tensor, mask: Mask, cache: KVCache | None) -> Tensor:
        x = x + F.dropout(self.attention(self.attention_norm(x), mask, cache), self.dropout, self.training)
        return x + F.dropout(self.mlp(self.mlp_norm(x)), self.dropout, self.training)


class Attention(nn.Module):
    """Multi-head attention with biases."""

    def __init__(self, config: GPT2Config, index: int) -> None:
        super().__init__()
        self.index = index
        self.head_size = config.head_size
        self.dropout = config.dropout
        self.q, self.k, self.v, self.o = (nn.Linear(config.hidden_size, config.hidden_size) for _ in range(4))

    def forward(self, x: Tensor, mask: Mask, cache: KVCache | None) -> Tensor:
        q, k, v = (split_heads(y, self.head_size) for y in side_by_side(x, self.q, self.k, self.v).chunk(3, -1))
        if cache is not None:
            k, v = cache.append(self.index, k, v)
        mixed: Tensor = self.o(attend(q, k, v, mask, self.dropout if self.training else 0.0))
        return mixed


class Mlp(nn.Module):
    """down(gelu(up(x))), with the tanh form of GELU (Hendrycks & Gimpel 2016)."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.mlp_size)
        self.down = nn.Linear(config.mlp_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(F.gelu(self.up(x), approximate="tanh"))
        return y
