"""The curve of a stage: honest smoothing, honest thinning, one height for one amount of surprise."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.base.faults import DataFault
from holdfast.evals.report.curve import curve_svg, mark_kind, nats_per_bit, smoothed, thinned
from holdfast.evals.report.facts import RunFacts


def test_a_straight_line_smooths_to_itself_where_windows_are_even() -> None:
    points = [(float(step), 100.0 - step) for step in range(1, 101)]
    for step, value in smoothed(points)[:-3]:
        assert value == pytest.approx(100 - step)
    assert smoothed(points)[0] == (1.0, 99.0), "the beginning is not averaged away"


@given(st.lists(st.floats(0, 10), min_size=1, max_size=3000))
def test_smoothing_stays_within_the_losses(values: list[float]) -> None:
    points = [(float(step), value) for step, value in enumerate(values)]
    course = smoothed(points)
    assert course[0][0] == 0
    assert course[-1][0] == len(values) - 1
    assert all(min(values) - 1e-9 <= value <= max(values) + 1e-9 for _, value in course)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=3000))
def test_thinning_keeps_the_extremes_and_the_order(values: list[float]) -> None:
    points = [(float(step), value) for step, value in enumerate(values)]
    kept = thinned(points)
    assert len(kept) <= 1350
    assert set(kept) <= set(points)
    assert kept == sorted(kept)
    assert max(value for _, value in kept) == max(values)
    assert min(value for _, value in kept) == min(values)


def test_bits_per_byte_of_a_uniform_guess_lie_at_the_loss_of_a_uniform_guess() -> None:
    vocab, bytes_per_token = 4096, 3.7
    baseline = math.log2(vocab) / bytes_per_token
    factor = nats_per_bit([{"step": 1, "value": 1.0, "baseline": baseline}], vocab)
    assert factor is not None
    assert baseline * factor == pytest.approx(math.log(vocab))
    assert nats_per_bit([], vocab) is None
    assert nats_per_bit([{"step": 1, "value": 1.0, "baseline": None}], vocab) is None


def test_marks_are_those_of_the_stage(facts: RunFacts) -> None:
    steps, validation = facts.curves["pretrain"], facts.validation["pretrain"]
    text = curve_svg("pretrain", steps, validation, facts.events, 1024)
    ElementTree.fromstring(text)
    assert "resumed at step 400" in text
    assert "skipped at step 733" in text
    assert text.count("saved at step") == 6
    assert "at step" not in curve_svg("sft", facts.curves["sft"], facts.validation["sft"], facts.events, 1024)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_run_of_a_few_steps_has_a_curve(facts: RunFacts, count: int) -> None:
    ElementTree.fromstring(curve_svg("pretrain", facts.curves["pretrain"][:count], [], [], 1024))


def test_equal_losses_have_a_curve() -> None:
    ElementTree.fromstring(curve_svg("sft", [{"step": step, "loss": 0.0} for step in (1, 2)], [], [], 1024))


def test_a_stage_without_a_number_has_none() -> None:
    with pytest.raises(DataFault, match="no step"):
        curve_svg("pretrain", [{"step": 1, "loss": math.nan}], [], [], 1024)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"kind": "checkpoint"}, "saved"),
        ({"kind": "decision", "verdict": "skip"}, "skipped"),
        ({"kind": "decision", "verdict": "stop"}, None),
        ({"kind": "event", "event": "resume"}, "resumed"),
        ({"kind": "event", "event": "note"}, None),
        ({"kind": "step"}, None),
    ],
)
def test_which_records_leave_a_mark(record: dict[str, str], kind: str | None) -> None:
    assert mark_kind(record) == kind
