"""Samples from fixed prompts, and plain measures of how varied texts are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from holdfast.base.records import Message, Score
from holdfast.infer.chat import control_ids
from holdfast.infer.engine import Engine
from holdfast.infer.sample import SamplingParams
from holdfast.tokenizer.chat import render_prompt
from holdfast.tokenizer.codec import Tokenizer

Form = Literal["continuation", "chat"]

PAIR, PHRASE = 2, 4  # words: variety is counted in pairs, repetition in phrases too long to recur by accident


def write_samples(
    engine: Engine, tokenizer: Tokenizer, prompts: Sequence[str], params: SamplingParams, form: Form = "continuation"
) -> list[dict[str, Any]]:
    """One text per prompt: a base model continues it as a document, a chat model answers it as a message.

    Returns plain data with prompt, text (without the prompt), form, seed, temperature and ended ("stop": the model was
    done; "length": cut off at params.max_tokens or the end of its context).
    """
    asked = [_prompt_ids(prompt, tokenizer, form) for prompt in prompts]
    completions = engine.complete_batch(asked, params, control_ids(tokenizer))
    return [
        {
            "prompt": prompt,
            "text": tokenizer.decode(completion.ids),
            "form": form,
            "seed": params.seed,
            "temperature": params.temperature,
            "ended": completion.reason,
        }
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


def _prompt_ids(prompt: str, tokenizer: Tokenizer, form: Form) -> list[int]:
    if form == "chat":
        return render_prompt([Message("user", prompt)], tokenizer)
    return [tokenizer.bos, *tokenizer.encode(prompt)]


def variety(texts: Sequence[str], seed: int, references: Sequence[str] = ()) -> list[Score]:
    """How varied and how repetitive texts are, as two scores named `samples`.

    distinct_2: share of word pairs, over all texts, that are different from each other (Li et al. 2016).
    repeated_4: share of four-word phrases that occurred before in the same text; a model in a loop comes near 1.

    `references` are people's texts of about the same length, whose measures become the baselines: both numbers depend
    on length, and alone they say little. `n` counts pairs and phrases. A measure that has none to count is left out.
    """
    scores = []
    for metric, measure in (("distinct_2", distinct), ("repeated_4", repeated)):
        value, n = measure(texts)
        baseline, compared = measure(references)
        if n:
            scores.append(Score("samples", metric, value, n, seed, baseline if compared else None))
    return scores


def distinct(texts: Sequence[str], words: int = PAIR) -> tuple[float, int]:
    """(share of word n-grams over all texts that differ, how many n-grams there are)."""
    counts = Counter(phrase for text in texts for phrase in _phrases(text, words))
    return len(counts) / max(1, counts.total()), counts.total()


def repeated(texts: Sequence[str], words: int = PHRASE) -> tuple[float, int]:
    """(share of word n-grams that occurred before in their own text, how many n-grams there are)."""
    phrases = [_phrases(text, words) for text in texts]
    total = sum(map(len, phrases))
    return sum(len(each) - len(set(each)) for each in phrases) / max(1, total), total


def _phrases(text: str, words: int) -> list[tuple[str, ...]]:
    split = text.split()
    return [tuple(split[start : start + words]) for start in range(len(split) - words + 1)]
