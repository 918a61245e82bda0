"""The engine: each prompt gets what it would get alone, by the plainest means, whoever else is in the batch."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from holdfast.base.faults import Fault
from holdfast.infer.engine import Completion, Emitted, Engine, Limits
from holdfast.infer.sample import SamplingParams, choose

GREEDY = SamplingParams(max_tokens=12, temperature=0)


def prompts(count: int, longest: int) -> list[list[int]]:
    """Ragged prompts, in no order."""
    rng = random.Random(3)
    return [[rng.randrange(64) for _ in range(rng.randint(1, longest))] for _ in range(count)]


def plain(model: nn.Module, prompt: list[int], params: SamplingParams, stop_ids: tuple[int, ...] = ()) -> Completion:
    """Read the whole text again for every token, one prompt at a time."""
    model.eval()
    text = list(prompt)
    while len(text) < model.config.context_length:
        with torch.inference_mode():
            logits = model(torch.tensor([text]))[:, -1]
        seen = torch.zeros_like(logits, dtype=torch.bool)
        seen[0, text] = True
        token = int(choose(logits, params, [len(text) - len(prompt)], seen))
        if token in stop_ids:
            return Completion(text[len(prompt) :], "stop")
        text.append(token)
        if len(text) - len(prompt) == params.max_tokens:
            break
    return Completion(text[len(prompt) :], "length")


@pytest.mark.parametrize(
    "params",
    [
        GREEDY,
        replace(GREEDY, repetition_penalty=1.7),
        SamplingParams(max_tokens=12, temperature=1.2, top_k=30, top_p=0.95, repetition_penalty=1.2, seed=11),
    ],
    ids=["greedy", "penalty", "sampled"],
)
def test_batched_and_cached_equals_alone_and_uncached(model: nn.Module, params: SamplingParams) -> None:
    asked = prompts(12, longest=20)
    stops = (1, 2, 3, 4, 5, 6, 7)
    expected = [plain(model, prompt, params, stops) for prompt in asked]
    assert len({len(each.ids) for each in expected}) > 2  # rows do leave at different times
    assert Engine(model).complete_batch(asked, params, stops) == expected
    assert Engine(model, Limits(rows=2)).complete_batch(asked, params, stops) == expected
    assert Engine(model, Limits(spread=0, cache_bytes=1)).complete_batch(asked, params, stops) == expected


def test_the_context_is_never_exceeded(any_model: nn.Module) -> None:
    context = any_model.config.context_length
    asked = [[5] * length for length in (context - 2, context - 1, context, context + 9)]
    done = Engine(any_model).complete_batch(asked, GREEDY)
    assert [len(each.ids) for each in done] == [2, 1, 0, 0]
    assert {each.reason for each in done} == {"length"}


def test_tokens_arrive_one_by_one_and_the_last_says_why(any_model: nn.Module) -> None:
    stream = list(Engine(any_model).generate([[1, 2, 3]], replace(GREEDY, max_tokens=3)))
    assert [each.reason for each in stream] == [None, None, "length"]
    first = stream[0].id
    assert first is not None
    assert list(Engine(any_model).generate([[1, 2, 3]], GREEDY, [first])) == [Emitted(0, None, "stop")]


def test_the_seed_is_all_the_randomness_there_is(any_model: nn.Module) -> None:
    engine, asked = Engine(any_model), prompts(4, longest=8)
    hot = SamplingParams(max_tokens=12, temperature=2.0, seed=1)
    torch.manual_seed(0)
    first = engine.complete_batch(asked, hot)
    torch.manual_seed(1)
    assert engine.complete_batch(asked, hot) == first
    assert engine.complete_batch(asked, replace(hot, seed=2)) != first


def test_the_model_is_given_back_as_it_was(any_model: nn.Module) -> None:
    any_model.train()
    stream = Engine(any_model).generate([[1]], GREEDY)
    next(stream)
    assert not torch.is_inference_mode_enabled()
    stream.close()
    assert any_model.training
    loss = any_model.loss_sum(torch.tensor([[1, 2]]), torch.tensor([[2, 3]]))
    loss.backward()


@pytest.mark.parametrize(("prompt", "why"), [([], "at least one"), ([64], "vocabulary"), ([-1], "vocabulary")])
def test_a_prompt_that_is_none_is_refused_at_once(any_model: nn.Module, prompt: list[int], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Engine(any_model).generate([[1], prompt], GREEDY)


def test_a_diverged_model_is_named(any_model: nn.Module) -> None:
    with torch.no_grad():
        any_model.norm.weight.fill_(float("nan"))
    with pytest.raises(Fault, match="not finite"):
        Engine(any_model).complete_batch([[1, 2]], GREEDY)


def test_nothing_asked_nothing_answered(any_model: nn.Module) -> None:
    assert Engine(any_model).complete_batch([], GREEDY) == []
