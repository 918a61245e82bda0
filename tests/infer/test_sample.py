"""Sampling: the settings that make no sense are refused, and each control does what its paper says."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import Fault, RecipeFault
from holdfast.infer.sample import SamplingParams, choose, inverse_cdf, penalise, uniform_draw

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]])


def many(count: int, **settings: Any) -> list[int]:
    """Draw `count` places of one text from LOGITS."""
    params = SamplingParams(**settings)
    return choose(LOGITS.expand(count, -1), params, range(count)).tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_k", 0),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("repetition_penalty", 0.0),
    ],
)
def test_senseless_settings_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(RecipeFault) as fault:
        SamplingParams(**{name: value})
    assert fault.value.cause.startswith(name)
    assert name in fault.value.remedy


def test_temperature_zero_takes_the_likeliest() -> None:
    assert set(many(50, temperature=0)) == {0}


def test_frequencies_follow_the_softmax() -> None:
    drawn = torch.tensor(many(20_000, temperature=1.0))
    frequencies = torch.bincount(drawn, minlength=4) / len(drawn)
    assert torch.allclose(frequencies, torch.softmax(LOGITS[0], -1), atol=0.015)


def test_top_k_and_top_p_cut_the_tail() -> None:
    assert set(many(2000, temperature=5.0, top_k=2)) == {0, 1}
    assert set(many(2000, temperature=1.0, top_p=0.7)) == {0, 1}  # probabilities 0.64, 0.24, ...
    assert set(many(2000, temperature=1.0, top_p=0.6)) == {0}
    assert set(many(200, temperature=5.0, top_k=99)) == {0, 1, 2, 3}


def test_a_tiny_temperature_does_not_overflow() -> None:
    assert set(many(20, temperature=1e-300)) == {0}


def test_repetition_penalty_moves_both_signs_down() -> None:
    seen = torch.tensor([[True, False, False, True]])
    assert penalise(LOGITS, seen, 2.0).tolist() == [[1.0, 1.0, 0.0, -2.0]]
    params = SamplingParams(temperature=0, repetition_penalty=4.0)
    assert choose(LOGITS, params, [0], seen).item() == 1
    with pytest.raises(ValueError, match="already in the text"):
        choose(LOGITS, params, [0])


def test_a_broken_model_is_named_not_sampled() -> None:
    with pytest.raises(Fault, match="not finite"):
        choose(torch.tensor([[0.0, math.nan]]), SamplingParams(), [0])


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    logits = torch.randn(8, 100, generator=torch.Generator().manual_seed(1))
    places = [0, 3, 3, 5, 8, 13, 2, 0]
    params = SamplingParams(temperature=1.3, top_k=40, top_p=0.9, seed=5)
    together = choose(logits, params, places).tolist()
    alone = [choose(logits[i : i + 1], params, places[i : i + 1]).item() for i in range(8)]
    assert together == alone


@given(st.integers(0, 2**40), st.integers(0, 10_000))
def test_draws_are_doubles_in_the_unit_interval(seed: int, place: int) -> None:
    assert 0 <= uniform_draw(seed, place) < 1
    assert uniform_draw(seed, place) == uniform_draw(seed, place)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=8), st.integers(0, 4), st.floats(0, 1, exclude_max=True))
def test_a_column_of_weight_zero_is_never_drawn(weights: list[float], zeros: int, uniform: float) -> None:
    row = torch.tensor([sorted(weights, reverse=True) + [0.0] * zeros], dtype=torch.float64)
    for value in (uniform, 1 - 2**-53):
        assert inverse_cdf(row, torch.tensor([value], dtype=torch.float64)).item() < len(weights)
