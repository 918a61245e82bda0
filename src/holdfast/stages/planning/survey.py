"""A sample of the text, taken through the same cleaning and the same tokenizer as all of it will be: how many tokens
it comes to, and how long that takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from holdfast.base.faults import DataFault
from holdfast.base.records import Document
from holdfast.stages.planning.forecast import bytes_per_token
from holdfast.stages.recipe import Recipe
from holdfast.text.meter import Meter
from holdfast.text.rules import Rules
from holdfast.text.sources import documents
from holdfast.tokenizer.codec import Tokenizer
from holdfast.tokenizer.train import train

SAMPLE_BYTES = 1_000_000
FRAME_TOKENS = 2  # where a document begins and where it ends
WORDS_GROW = 0.7  # different words of a text that is n times as long: n to the power of this (Heaps 1978)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the sample says of the whole corpus, of `text_bytes` bytes.

    whole: the sample is all there is.
    tokens: in both splits, those that mark documents included. seconds: to read, to learn from and to encode all.
    """

    whole: bool
    tokens: int
    seconds: float


def survey(recipe: Recipe, text_bytes: int) -> Survey:
    """Read the first megabyte. Raises DataFault when nothing of it is left to learn from, and, where that is all the
    text there is, when it does not allow the vocabulary."""
    started = time.perf_counter()
    texts, read = _sample(recipe)
    if not texts:
        raise DataFault(
            f"nothing is left of the first {read:,} bytes of text to learn from", "check corpus.path, and corpus.clean"
        )
    whole = read < SAMPLE_BYTES
    size = sum(len(text.encode("utf-8")) for text in texts)
    share = 1.0 if whole else max(1.0, text_bytes / max(1, read))
    reading = time.perf_counter() - started
    tokenizer, learning = _learned(recipe, texts, whole=whole)
    if tokenizer is None:
        tokens = size / bytes_per_token(recipe.tokenizer.kind, recipe.tokenizer.vocab_size) + FRAME_TOKENS * len(texts)
        return Survey(whole, int(share * tokens), share * reading * 2)
    started = time.perf_counter()
    tokens = sum(len(ids) + FRAME_TOKENS for ids in tokenizer.encode_batch(texts))
    encoding = time.perf_counter() - started
    learned_from = min(share, max(1.0, recipe.tokenizer.train_bytes / size))
    return Survey(whole, int(share * tokens), share * (reading + encoding) + learned_from**WORDS_GROW * learning)


def _sample(recipe: Recipe) -> tuple[list[str], int]:
    """Texts as they would be kept, and how many bytes were read for them."""
    meter = Meter(lambda done, total: None)
    rules = Rules(recipe.corpus)
    found = documents(recipe.corpus, recipe.seed, meter)
    read = 0
    texts = []
    for _, each in found:
        if isinstance(each, Document):
            read += len(each.text.encode("utf-8"))
            if isinstance(kept := rules.treat(each), Document):
                texts.append(kept.text)
        if read >= SAMPLE_BYTES:
            break
    return texts, read


def _learned(recipe: Recipe, texts: list[str], *, whole: bool) -> tuple[Tokenizer | None, float]:
    """A tokenizer of the sample and the seconds it took; None where a sample allows no such vocabulary."""
    started = time.perf_counter()
    try:
        return train(texts, recipe.tokenizer), time.perf_counter() - started
    except DataFault:
        if whole:
            raise
        return None, 0.0
