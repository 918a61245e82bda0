"""The house's own decoder: RMSNorm, rotary positions, normalised queries and keys, grouped-query attention.

With its switches it is, number for number, one of four architectures that other software knows: see publish/hf.py.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from holdfast.model.attention import attend
from holdfast.model.cache import KVCache
from holdfast.model.config import TransformerConfig
from holdfast.model.documents import Mask
from holdfast.model.extras import PairTable
from holdfast.model.heads import turned_heads
from holdfast.model.loss import cross_entropy_sum
from holdfast.model.parts import RMSNorm, Rotary, attention_mask, side_by_side, squared_relu, swiglu
from holdfast.model.recompute import through

__all__ = ["Transformer", "TransformerConfig"]

Turn = tuple[Tensor, Tensor]  # cosines and sines of the positions at hand


class Transformer(nn.Module):
    """Token ids in, logits out. Parameters are named

    embed.weight (V, C), norm.weight (C), head.weight (V, C; absent when tied), and for every layer N
    layers.N.attention_norm.weight, layers.N.attention.{q,k,v,o}.weight, layers.N.attention.{q,k}_norm.weight (D),
    layers.N.mlp_norm.weight, layers.N.mlp.{gate,up,down}.weight (relu2 has no gate). The profile fast has
    pairs.weight, see extras.py.

    recompute: which layers the backward pass computes again, see recompute.py.
    """

    recompute = "none"

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.hidden_size)
        self.pairs = PairTable(config.pair_rows, config.vocab_size, config.hidden_size) if config.pair_rows else None
        self.layers = nn.ModuleList(Block(config, index) for index in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.head = None if config.tied else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.rotary = Rotary(config.head_size, config.context_length, config.rope_theta)

    def forward(
        self,
        ids: Tensor,
        segments: Tensor | None = None,
        cache: KVCache | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, T, V) for ids (B, T).

        segments:  (B, T), attention stays inside equal numbers; None: a row is one segment.
        cache:     what was read before ids; it is read, and extended by ids. Not together with segments.
        positions: (T,) or (B, T) places on the rotary circle; None: counted on from the cache.
        Raises ValueError when the positions do not fit into the context length.
        """
        return F.linear(self.hidden(ids, segments, cache, positions), self.output_weight)

    def loss_sum(self, inputs: Tensor, targets: Tensor, segments: Tensor | None = None) -> Tensor:
        """Nats summed over the positions with a target of 0 or more; a scalar. All arguments are (B, T)."""
        return cross_entropy_sum(self.hidden(inputs, segments), self.output_weight, targets)

    @property
    def output_weight(self) -> Tensor:
        """(V, C) vectors that the last hidden state is compared with."""
        return self.embed.weight if self.head is None else self.head.weight

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
        turn = self.rotary.at(slice(past, past + length) if positions is None else positions)
        mask = attention_mask(ids, segments, cache)
        x = self.embed(ids)
        if self.pairs is not None:
            x = x + self.pairs(ids, None if cache is None else cache.last, segments)
        x = F.dropout(x, self.config.dropout, self.training)
        if cache is None:
            x = through(self.layers, self.recompute, x, turn, mask, None)
        else:  # a layer extends it: that can not happen twice
            x = through(self.layers, "none", x, turn, mask, cache)
            cache.advance(length, ids[:, -1:])
        normed: Tensor = self.norm(x)
        return normed


class Block(nn.Module):
    """Attention, then the feed-forward part, each added to the stream it reads through a norm."""

    def __init__(self, config: TransformerConfig, index: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.attention = Attention(config, index)
        self.mlp_norm = RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = SwiGLU(config) if config.mlp == "swiglu" else SquaredReLU(config)
        self.dropout = config.dropout

    def forward(self, x: Tensor, turn: Turn, mask: Mask, cache: KVCache | None) -> Tensor:
        mixed = F.dropout(self.attention(self.attention_norm(x), turn, mask, cache), self.dropout, self.training)
        x, normed = self.mlp_norm.of_sum(x, mixed)
        return x + F.dropout(self.mlp(normed), self.dropout, self.training)


class Attention(nn.Module):
    """Grouped-query attention (Ainslie et al. 2023); queries and keys normalised per head (Dehghani et al. 2023)."""

    def __init__(self, config: TransformerConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.groups = config.num_kv_heads
        self.dropout = config.dropout
        self.head_size = config.head_size
        query_size, kv_size = config.num_heads * self.head_size, config.num_kv_heads * self.head_size
        self.q = nn.Linear(config.hidden_size, query_size, bias=False)
        self.k = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.v = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.o = nn.Linear(query_size, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.head_size, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(self.head_size, config.norm_eps) if config.qk_norm else nn.Identity()

    def forward(self, x: Tensor, turn: Turn, mask: Mask, cache: KVCache | None) -> Tensor:
        q, k, v = turned_heads(side_by_side(x, self.q, self.k, self.v), self.q_norm, self.k_norm, turn, self.groups)
        if cache is not None:
            k, v = cache.append(self.index, k, v)
        mixed: Tensor = self.o(attend(q, k, v, mask, self.dropout if self.training else 0.0))
        return mixed


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)) (Shazeer 2020)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(swiglu(side_by_side(x, self.gate, self.up)))
        return y


class SquaredReLU(nn.Module):
    """down(relu(up(x))^2)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(squared_relu(self.up(x)))
        return y
