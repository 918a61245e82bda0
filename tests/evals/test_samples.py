"""Samples as data, and how varied texts are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.evals.samples import distinct, repeated, variety, write_samples
from holdfast.infer.engine import Completion, Engine
from holdfast.infer.sample import SamplingParams
from holdfast.tokenizer.settings import TokenizerSettings
from holdfast.tokenizer.train import train


class Parrot(Engine):
    """An engine without a model that says the prompt's ids again."""

    def __init__(self) -> None:
        self.prompts: list[Sequence[int]] = []

    def complete_batch(
        self, prompts: Sequence[Sequence[int]], params: SamplingParams, stop_ids: Collection[int] = ()
    ) -> list[Completion]:
        self.prompts += prompts
        return [Completion(list(prompt), "length") for prompt in prompts]


def test_a_base_model_continues_and_a_chat_model_answers() -> None:
    tokenizer = train([], TokenizerSettings(kind="byte"))
    engine, params = Parrot(), SamplingParams(max_tokens=9, temperature=0.5, seed=3)
    continued = write_samples(engine, tokenizer, ["The tide <|eot|>", "Grüße"], params)
    answered = write_samples(engine, tokenizer, ["Who is there?"], params, "chat")
    assert continued[1] == {
        "prompt": "Grüße",
        "text": "Grüße",
        "form": "continuation",
        "seed": 3,
        "temperature": 0.5,
        "ended": "length",
    }
    assert answered[0]["form"] == "chat"
    assert engine.prompts[0][0] == tokenizer.bos
    assert tokenizer.eot not in engine.prompts[0], "a prompt is text, whatever it spells"
    assert engine.prompts[2][-1] == tokenizer.assistant_start


def test_a_loop_is_repeated_and_not_distinct() -> None:
    assert repeated(["a b c d " * 20])[0] > 0.9
    assert distinct(["a b c d " * 20])[0] < 0.1
    assert repeated(["one two three four five six"]) == (0.0, 3)
    assert distinct(["one two three", "one two four"]) == (3 / 4, 4)


@given(st.lists(st.text("ab \n", max_size=60), max_size=5))
def test_both_are_shares(texts: list[str]) -> None:
    for value, n in (distinct(texts), repeated(texts)):
        assert 0 <= value <= 1
        assert n >= 0


def test_variety_is_said_beside_that_of_people() -> None:
    ours, theirs = ["to and fro and to and fro and to and fro"], ["the ship went out to sea before the morning came"]
    scores = {score.metric: score for score in variety(ours, seed=1, references=theirs)}
    assert scores["distinct_2"].value < 1.0 == scores["distinct_2"].baseline
    assert scores["repeated_4"].value > 0.0 == scores["repeated_4"].baseline
    assert {score.baseline for score in variety(ours, seed=1)} == {None}
    assert variety(["one"], seed=1) == [], "a single word has no pair to count"


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_has_no_variety(texts: list[str]) -> None:
    assert variety(texts, seed=1) == []
