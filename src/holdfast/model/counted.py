"""First weights from counts: before its first step a model knows which token tends to follow which.

A fresh transformer of ours is the identity between its table and its head (build.py), so that
logits = head @ rmsnorm(embed[token]): a table of pairs whose rank is the model's width. This is the best such table for
the pairs that the corpus holds. With p the share of a token and n(i, j) the times that j followed i, the smoothed
probability of j behind i is in proportion to

    p(j) * (1 + n(i, j) / (SMOOTHING * p(j)))    (Dirichlet smoothing, MacKay & Peto 1995)

whose second factor is 1 for pairs that never met: its logarithm is a sparse matrix. A randomised singular value
decomposition (Halko, Martinsson & Tropp 2011), weighted by how frequent row and column are, splits it into table and
head, as Levy & Goldberg (2014) do for word vectors. What a row has in common for all columns changes no probability and
is taken out first.

Two dimensions are kept for more: one in which all tokens are alike, where the head has log p; and one that fills each
vector up to the same length, where the head has zero, because the norm in front of the head would undo the lengths.
A rotation then spreads them all over the width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from holdfast.model.transformer import Transformer

SMOOTHING = 400.0  # times that a pair is taken to have been seen in the proportion of its second token
WEIGHT = 0.5  # power of a token's share that its row and its column weigh in the fit
PAIR_SMOOTHING = 100.0  # the same for what comes behind a pair, in the proportion that its second token alone gives
PAIR_PART = 0.7  # of what a pair's vector would say alone
RIDGE = 1e-3  # of the mean of what is divided by
ROWS = 512  # of logits at once
ITERATIONS = 2
SPARE = 16  # dimensions more than asked for while the decomposition is sought
LONGEST = 0.999  # quantile of the lengths that all vectors are filled up to
COMMON = 0.5  # of the vectors' usual length, in the dimension that all share


@dataclass(frozen=True, slots=True)
class Pairs:
    """Token `second` came right behind `first`, `count` times: (N,) each, int64, no pair twice."""

    first: Tensor
    second: Tensor
    count: Tensor


@torch.no_grad()
def start_from_counts(model: Transformer, pairs: Pairs, seed: int) -> None:
    """Set the table and the head of a freshly initialised model; all other weights stay.

    Takes a few seconds for a vocabulary of 8192. Raises ValueError for a tied model, whose table can not both read and
    write, and for one that is narrower than three.
    """
    if model.head is None:
        raise ValueError("a tied table can not hold which token follows which: set tied to false")
    vocab_size, width = model.embed.weight.shape
    if width < 3:
        raise ValueError(f"a width of {width} leaves no room for what follows what")
    generator = torch.Generator().manual_seed(seed)
    table, head, share = _factors(pairs, vocab_size, min(width - 2, vocab_size), generator)
    table, head = _filled(table, head, share, width)
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=generator))
    model.embed.weight.copy_(table @ turn)
    model.head.weight.copy_(head @ turn)


@torch.no_grad()
def start_pairs(model: Transformer, keys: Tensor, behind: Pairs) -> None:
    """Set the table of pairs of a model that `start_from_counts` made, so that it knows what comes behind a pair.

    keys:   (N,) the pairs that have a row, in the form and the order of PairTable.keys, at most as many as it has.
    behind: what followed them, `first` being a place among the keys.

    With p the probability that the model gives token j behind the pair's second token, the smoothed logarithm that the
    pair changes it by is log(1 + n / (PAIR_SMOOTHING * p)), as at the top of this file; a pair's vector is what comes
    nearest to these numbers by the head, in least squares weighted by each token's share.
    """
    table, head = model.pairs, model.output_weight.cpu()
    assert table is not None, "a model of the profile fast"
    table.keys[: len(keys)] = keys
    share = torch.zeros(table.vocab_size).index_add_(0, behind.second, behind.count.float()).add_(0.5)
    share = (share / share.sum())[:, None]
    centred = head - (share * head).sum(0)  # what all tokens have in common changes no probability
    square = centred.T @ (share * centred)
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square))
    likely = _likelihood(model, keys // table.vocab_size, behind)
    logs = torch.log1p(behind.count / (PAIR_SMOOTHING * likely))
    sums = _Sparse(behind.first, behind.second, logs, len(keys)).times(share * centred)
    table.weight[: len(keys)] = PAIR_PART * torch.linalg.solve(square, sums.T).T


def _likelihood(model: Transformer, token: Tensor, behind: Pairs) -> Tensor:
    """What the model gives each `second` behind the second token of its pair: `token` (N,) in rising order."""
    embed, head = model.embed.weight.cpu(), model.output_weight.cpu()
    likely = torch.empty(len(behind.count))
    ends = torch.searchsorted(token, torch.arange(0, model.config.vocab_size + ROWS, ROWS))
    ends = torch.searchsorted(behind.first, ends)  # the counts are in the order of the keys
    for index, (start, end) in enumerate(zip(ends.tolist(), ends[1:].tolist(), strict=False)):
        low = index * ROWS
        logits = F.rms_norm(embed[low : low + ROWS], embed.shape[1:], eps=model.config.norm_eps) @ head.T
        part = slice(start, end)
        likely[part] = logits.softmax(-1)[token[behind.first[part]] - low, behind.second[part]]
    return likely


def _factors(pairs: Pairs, vocab_size: int, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(V, rank) of rows and of columns, whose product is about the logarithm above; and each token's share (V,)."""
    count = pairs.count.float()
    before, behind = (
        torch.zeros(vocab_size).index_add_(0, side, count).add_(0.5) for side in (pairs.first, pairs.second)
    )
    before, share = before / before.sum(), behind / behind.sum()
    rows, columns = before.pow(WEIGHT)[:, None], share.pow(WEIGHT)[:, None]
    logs = torch.log1p(count / (SMOOTHING * share[pairs.second]))
    mean = torch.zeros(vocab_size, 1).index_add_(0, pairs.first, (logs * columns.square()[pairs.second, 0])[:, None])
    mean = rows * mean / columns.square().sum()
    weighted = logs * rows[pairs.first, 0] * columns[pairs.second, 0]
    matrix = _Sparse(pairs.first, pairs.second, weighted, vocab_size)
    turned = _Sparse(pairs.second, pairs.first, weighted, vocab_size)

    def forward(x: Tensor) -> Tensor:
        return matrix.times(x) - mean @ (columns.T @ x)

    def backward(x: Tensor) -> Tensor:
        return turned.times(x) - columns @ (mean.T @ x)

    basis = _orthonormal(forward(torch.randn(vocab_size, min(rank + SPARE, vocab_size), generator=generator)))
    for _ in range(ITERATIONS):
        basis = _orthonormal(forward(_orthonormal(backward(basis))))
    right, sizes, left = torch.linalg.svd(backward(basis), full_matrices=False)
    root = sizes[:rank].sqrt()
    return (basis @ left.mT)[:, :rank] * root / rows, right[:, :rank] * root / columns, share


class _Sparse:
    """A matrix by what is in it. Its product is a sum of weighted rows, for which an embedding bag is the fastest there
    is on a CPU."""

    def __init__(self, row: Tensor, column: Tensor, value: Tensor, height: int) -> None:
        order = torch.argsort(row, stable=True)
        self.column, self.value = column[order], value[order]
        self.starts = torch.searchsorted(row[order], torch.arange(height))

    def times(self, x: Tensor) -> Tensor:
        y: Tensor = F.embedding_bag(self.column, x.contiguous(), self.starts, mode="sum", per_sample_weights=self.value)
        return y


def _orthonormal(x: Tensor) -> Tensor:
    basis: Tensor = torch.linalg.qr(x).Q
    return basis


def _filled(table: Tensor, head: Tensor, share: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Table and head (V, width), so that head @ rmsnorm(table) is table @ head.T plus log share: see the top."""
    balance = (head.square().mean() / table.square().mean()).pow(0.25)
    table, head = table * balance, head / balance
    common = COMMON * float(table.square().sum(1).mean().sqrt())
    logs = share.log()
    ones = torch.ones(len(table), 1)
    table = torch.cat([table, common * ones], 1)
    squares = table.square().sum(1, keepdim=True)
    longest = torch.quantile(squares, LONGEST)
    table = torch.cat([table, (longest - squares).clamp(min=0).sqrt()], 1)
    head = torch.cat([head, (logs - logs.mean())[:, None] / common, 0 * ones], 1)
    unit = math.sqrt(width) / float(longest.sqrt())  # a table whose vectors have a mean square of 1
    empty = torch.zeros(len(table), width - table.shape[1])
    return torch.cat([table * unit, empty], 1), torch.cat([head / unit, empty], 1)
