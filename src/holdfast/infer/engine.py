"""Ids in, ids out. Several prompts are continued together, and each gets what it would get alone.

Rows start at their common left edge. The batch reads as many tokens as its shortest prompt has at once, then goes on
one token at a time: a row whose prompt is longer is given its next prompt token, a row past its prompt is given the
token it chose. All rows are always equally long, so the cache needs no padding and attention no mask. Batches are made
of prompts of similar length, and a row that is done leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from holdfast.infer.sample import SamplingParams, choose
from holdfast.model.cache import KVCache
from holdfast.model.config import Config

Reason = Literal["stop", "length"]


class Emitted(NamedTuple):
    """One new token of one prompt. `id` is None when the model stopped (a stop id is never handed out); `reason` is
    set on the last one of a row: "stop", or "length" when max_tokens or the context is used up."""

    row: int
    id: int | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Completion:
    """What a prompt was continued with, and why it ended."""

    ids: list[int]
    reason: Reason


@dataclass(frozen=True, slots=True)
class Limits:
    """How prompts are put into batches.

    rows:        prompts decoded together.
    spread:      how many tokens longer than the shortest a prompt of the same batch may be.
    cache_bytes: what keys and values may take; a single row may exceed it.
    """

    rows: int = 128
    spread: int = 16
    cache_bytes: int = 512 * 1024**2


class Engine:
    """Continues token ids with a model of ours, where its weights are. It keeps no state between calls."""

    def __init__(self, model: nn.Module, limits: Limits | None = None) -> None:
        self.model = model
        self.config = cast(Config, model.config)
        self.limits = limits or Limits()

    @property
    def context_length(self) -> int:
        """How many tokens fit, prompt and continuation together."""
        return self.config.context_length

    def complete_batch(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams, stop_ids: Collection[int] = ()
    ) -> list[Completion]:
        """Continue every prompt; answers in the order of the prompts. See `generate`."""
        ids: list[list[int]] = [[] for _ in prompts]
        reasons: list[Reason] = ["length"] * len(prompts)
        for row, token, reason in self.generate(prompts, params, stop_ids):
            if token is not None:
                ids[row].append(token)
            if reason is not None:
                reasons[row] = reason
        return [Completion(*pair) for pair in zip(ids, reasons, strict=True)]

    def generate(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams, stop_ids: Collection[int] = ()
    ) -> Iterator[Emitted]:
        """New tokens as they come; `Emitted.row` is the prompt's place in `prompts`.

        A prompt that fills the context gets a single Emitted, with reason "length" and no token. Raises ValueError
        for an empty prompt or an id outside the vocabulary, Fault when the model's output is not finite.
        """
        for prompt in prompts:
            if not prompt:
                raise ValueError("a prompt needs at least one token")
            if not 0 <= min(prompt) <= max(prompt) < self.config.vocab_size:
                raise ValueError(f"a prompt holds ids outside the vocabulary of {self.config.vocab_size}")
        return self._generate(prompts, params, frozenset(stop_ids))

    def _generate(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams, stop_ids: frozenset[int]
    ) -> Iterator[Emitted]:
        fitting = {row: prompt for row, prompt in enumerate(prompts) if len(prompt) < self.context_length}
        yield from (Emitted(row, None, "length") for row in range(len(prompts)) if row not in fitting)
        for rows in self._batches({row: len(prompt) for row, prompt in fitting.items()}, params.max_tokens):
            batch = _Batch(self.model, {row: fitting[row] for row in rows}, params, stop_ids)
            training = self.model.training
            self.model.eval()
            try:
                batch.start()
                while batch.rows:
                    yield from batch.advance()
            finally:
                self.model.train(training)

    def _batches(self, lengths: dict[int, int], max_tokens: int) -> Iterator[list[int]]:
        """Cut the rows, shortest first, where a batch would get too large or its lengths too different."""
        batch: list[int] = []
        for row in sorted(lengths, key=lambda row: lengths[row]):
            capacity = min(self.context_length, lengths[row] + max_tokens)
            most = min(self.limits.rows, self.limits.cache_bytes // (capacity * self._position_bytes()))
            if batch and (len(batch) >= most or lengths[row] > lengths[batch[0]] + self.limits.spread):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def _position_bytes(self) -> int:
        """What one position of one row takes in the cache."""
        values = 2 * self.config.num_layers * self.config.num_kv_heads * self.config.head_size
        return values * next(self.model.parameters()).element_size()


class _Batch:
    """Prompts being continued together.

    rows:    the prompts still being continued, by the caller's numbers; `prompts` are theirs, in the same order.
    at:      how many tokens of every row the model has read.
    logits:  (B, V), what may come next. seen: (B, V) bool, the ids in each row's text, for the repetition penalty.
    """

    def __init__(
        self, model: nn.Module, prompts: dict[int, Sequence[int]], params: SamplingParams, stop_ids: frozenset[int]
    ) -> None:
        self.model: Any = model
        self.config = cast(Config, model.config)
        self.params = params
        self.stop_ids = stop_ids
        self.rows = list(prompts)
        self.prompts = list(prompts.values())
        self.device = next(model.parameters()).device
        capacity = min(self.config.context_length, max(map(len, self.prompts)) + params.max_tokens)
        self.cache = KVCache(len(prompts), self.config, capacity, next(model.parameters()).dtype)
        self.seen: Tensor | None = None
        if params.repetition_penalty != 1.0:
            self.seen = torch.zeros(len(prompts), self.config.vocab_size, dtype=torch.bool, device=self.device)
            for row, prompt in zip(self.seen, self.prompts, strict=True):
                row[self._tensor(prompt)] = True

    @torch.inference_mode()
    def start(self) -> None:
        """Read what the rows have in common: as many tokens as the shortest has."""
        self.at = min(map(len, self.prompts))
        if self.at > 1:  # without the head: nobody asks what follows these
            read = self._tensor([prompt[: self.at - 1] for prompt in self.prompts])
            self.model.hidden(read, cache=self.cache)
        self.logits = self._read([prompt[self.at - 1] for prompt in self.prompts])

    @torch.inference_mode()
    def advance(self) -> list[Emitted]:
        """One more token for every row; rows that end with it leave."""
        new = [max(0, self.at - len(prompt)) for prompt in self.prompts]
        tokens = choose(self.logits, self.params, new, self.seen).tolist()
        emitted: list[Emitted] = []
        stay: list[int] = []
        for place, prompt in enumerate(self.prompts):
            if self.at < len(prompt):
                tokens[place] = prompt[self.at]
                stay.append(place)
                continue
            reason = self._reason(tokens[place], new[place] + 1)
            emitted.append(Emitted(self.rows[place], None if reason == "stop" else tokens[place], reason))
            if reason is None:
                stay.append(place)
        self.at += 1
        if len(stay) < len(self.rows):
            self._keep(stay)
        if stay:
            self.logits = self._read([tokens[place] for place in stay])
        return emitted

    def _reason(self, token: int, new_tokens: int) -> Reason | None:
        """Why a row ends with `token`, its `new_tokens`-th, or None when it goes on."""
        if token in self.stop_ids:
            return "stop"
        full = new_tokens >= self.params.max_tokens or self.at + 1 >= self.config.context_length
        return "length" if full else None

    def _keep(self, places: list[int]) -> None:
        """Let the other rows go."""
        self.rows = [self.rows[place] for place in places]
        self.prompts = [self.prompts[place] for place in places]
        index = self._tensor(places)
        self.cache.keep(index)
        if self.seen is not None:
            self.seen = self.seen[index]

    def _read(self, ids: list[int]) -> Tensor:
        """Let the model read one more token of each row and return the logits (B, V) of what follows."""
        read = self._tensor(ids)[:, None]
        if self.seen is not None:
            self.seen.scatter_(1, read, True)
        logits: Tensor = self.model(read, cache=self.cache)[:, 0]
        return logits

    def _tensor(self, ids: Sequence[int] | Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(ids, dtype=torch.long, device=self.device)
