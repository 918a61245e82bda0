"""What a recipe may say about the tokenizer."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from holdfast.base.settings import Count, Section
from holdfast.tokenizer.special import SMALLEST_VOCABULARY

Kind = Literal["bpe", "char", "byte"]
Pattern = Literal["gpt2", "llama-bpe", "qwen2"]


class TokenizerSettings(Section):
    """How text becomes ids."""

    kind: Kind = Field(
        "bpe",
        description="bpe: byte-level pairs learned from the corpus. char: one id per character, bytes for unseen ones. "
        "byte: one id per UTF-8 byte, nothing to learn.",
    )
    vocab_size: Count = Field(
        8192,
        description="Number of ids, special tokens included. bpe reaches it exactly and rounds it up to a multiple "
        "of 64 with reserved tokens. For char it is only a limit: rarer ones are spelled as bytes. byte ignores it.",
    )
    pattern: Pattern = Field(
        "qwen2",
        description="The rule for cutting text into words, across which bpe never merges. llama.cpp knows each of "
        "these by name, so that an exported tokenizer runs there. qwen2 keeps every digit alone.",
    )
    train_bytes: Count = Field(
        50_000_000,
        gt=0,
        description="How much text the vocabulary is learned from: an even sample of the corpus, in bytes.",
    )

    @model_validator(mode="after")
    def _vocabulary_holds_the_bytes(self) -> Self:
        if self.kind != "byte" and self.vocab_size < SMALLEST_VOCABULARY:
            raise ValueError(
                f"vocab_size {self.vocab_size} is too small: bytes and special tokens alone need {SMALLEST_VOCABULARY}"
            )
        return self
