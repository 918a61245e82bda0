"""Text in, text out: continuing a text, and talking over several turns. What people type is only ever text: the
tokenizer never turns it into a control token."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace

from holdfast.base.draws import draw
from holdfast.base.faults import DataFault
from holdfast.base.records import Message
from holdfast.infer.engine import Emitted, Engine
from holdfast.infer.load import Loaded
from holdfast.infer.sample import SamplingParams
from holdfast.tokenizer.chat import render_prompt
from holdfast.tokenizer.codec import Tokenizer


def pieces(emitted: Iterator[Emitted], tokenizer: Tokenizer) -> Iterator[str]:
    """The text of one row's tokens as it arrives. A character spread over tokens comes out when it is whole; one that
    never gets whole does not come out at all."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for each in emitted:
        if each.id is not None and (piece := decoder.decode(tokenizer.decode_bytes([each.id]))):
            yield piece


def stream(loaded: Loaded, prompt: str, params: SamplingParams) -> Iterator[str]:
    """Continue `prompt` as a document of the corpus, piece by piece; the prompt itself is not repeated.

    Raises DataFault when the prompt does not fit the model's context.
    """
    tokenizer = loaded.tokenizer
    ids = [tokenizer.bos, *tokenizer.encode(prompt)]
    engine = Engine(loaded.model)
    if len(ids) >= engine.context_length:
        raise DataFault(
            f"the prompt has {len(ids)} tokens and leaves no room in this model's {engine.context_length}",
            "shorten the prompt",
        )
    return pieces(engine.generate([ids], params, control_ids(tokenizer)), tokenizer)


def complete(loaded: Loaded, prompt: str, params: SamplingParams) -> str:
    """The whole continuation of `prompt`. Errors as `stream`."""
    return "".join(stream(loaded, prompt, params))


def control_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """Where a text ends: what follows a control token belongs to another document or another speaker."""
    return frozenset(tokenizer.special.values())


class ChatSession:
    """One conversation with a chat model.

    history:   the turns the model still sees, a leading system message included.
    forgotten: how many of the oldest messages were dropped because the context was full.
    reason:    how the last answer ended: "stop" (the model was done), "length" (cut off), or None (interrupted).
    """

    def __init__(self, loaded: Loaded, params: SamplingParams, system: str | None = None) -> None:
        self.tokenizer = loaded.tokenizer
        self.engine = Engine(loaded.model)
        self.params = params
        self.history: list[Message] = [] if system is None else [Message("system", system)]
        self.forgotten = 0
        self.reason: str | None = None
        self._asked = 0

    def ask(self, text: str) -> Iterator[str]:
        """The answer to `text`, piece by piece; it joins the history when it ends, or as far as it was read.

        Raises DataFault, with the history unchanged, when the message is empty or alone exceeds the context.
        """
        if not text.strip():
            raise DataFault("the message is empty", "write something")
        turns, prompt = self._fit([*self.history, Message("user", text)])
        self.forgotten += len(self.history) + 1 - len(turns)
        params = replace(self.params, seed=draw(self.params.seed, "turn", self._asked))
        self._asked += 1
        self.reason = None
        return self._answer(turns, self.engine.generate([prompt], params, control_ids(self.tokenizer)))

    def _answer(self, turns: list[Message], emitted: Iterator[Emitted]) -> Iterator[str]:
        said: list[str] = []
        try:
            for piece in pieces(self._noting_the_end(emitted), self.tokenizer):
                said.append(piece)
                yield piece
        finally:
            if said:  # a turn nobody answered is not a turn: no model was taught what comes after one
                self.history = [*turns, Message("assistant", "".join(said))]

    def _noting_the_end(self, emitted: Iterator[Emitted]) -> Iterator[Emitted]:
        for each in emitted:
            self.reason = each.reason
            yield each

    def _fit(self, turns: list[Message]) -> tuple[list[Message], list[int]]:
        """The newest turns, and their ids, that leave a quarter of the context (or max_tokens) for the answer."""
        context = self.engine.context_length
        room = min(self.params.max_tokens, context // 4)
        first = 1 if turns[0].role == "system" else 0
        while True:
            prompt = render_prompt(turns, self.tokenizer)
            if len(prompt) + room <= context:
                return turns, prompt
            if len(turns) - first < 3:  # only the new message is left
                raise DataFault(
                    f"with {len(prompt)} tokens the message leaves no room for an answer in this model's {context}",
                    "write a shorter message",
                )
            turns = turns[:first] + turns[first + 2 :]
