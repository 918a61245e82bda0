"""What a recipe may say about the tokenizer."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from holdfast.base.settings import Count, Section
from holdfast.tokenizer.special import SMALLEST_VOCABULARY, SPECIAL_TOKENS

Kind = Literal["bpe", "char", "byte"]
Pattern = Literal["gpt2", "llama-bpe", "qwen2"]

_DOMAIN_NAME = re.compile(r"<\|[a-z0-9_]+\|>")


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
        "of 64 with reserved tokens. For char it is only a limit: rarer ones are spelled as bytes. byte ignores it. "
        "Usual sizes: 8192 for millions of words, 16384, 30000, 50257 as GPT-2, 65536, the last of 2 bytes a token.",
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

    domain_tokens: list[str] = Field(
        default=[],
        description="Names such as <|london|> that are one token each wherever a text has them. They are text like any "
        "other, not commands. Learning fails for one that no text has.",
    )
    load: str | None = Field(
        None,
        description="A GPT-2-compatible tokenizer to use instead of learning one: a tokenizer.json, or a folder with "
        "it or with vocab.json and merges.txt. Then only domain_tokens of the other settings counts.",
    )

    @field_validator("domain_tokens")
    @classmethod
    def _names_are_free(cls, names: list[str]) -> list[str]:
        for name in names:
            if not _DOMAIN_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name: write it as <|name|>, in a-z, 0-9 and _")
            if name in SPECIAL_TOKENS or name.startswith("<|reserved_"):
                raise ValueError(f"{name} is a special token, which no text may become")
        if len(set(names)) < len(names):
            raise ValueError("a name stands there twice")
        return names

    @model_validator(mode="after")
    def _vocabulary_holds_the_bytes(self) -> Self:
        least = SMALLEST_VOCABULARY + len(self.domain_tokens)
        if self.kind != "byte" and self.load is None and self.vocab_size < least:
            raise ValueError(
                f"vocab_size {self.vocab_size} is too small: bytes, special and domain tokens alone need {least}"
            )
        return self
