"""The guard's verdicts are a pure function of report, memory and rules."""

import dataclasses
import math
import random

import pytest

from holdfast.base.records import Report
from holdfast.train.guard import (
    FEWEST,
    FIRST_SCALE,
    HALF_SKIPS,
    MOST_RESCALES,
    WINDOW,
    Apply,
    GuardMemory,
    Rescale,
    Retype,
    RollBack,
    Skip,
    Stop,
    judge,
    went_back,
)
from holdfast.train.settings import GuardSettings
from holdfast.train.trend import Trend

RULES = GuardSettings()


def report(loss: float = 2.0, grad_norm: float = 1.0, trained: int = 8, step: int = 3) -> Report:
    return Report(step=step, loss=loss, grad_norm=grad_norm, tokens=8, trained_tokens=trained, micro_batch_rows=1)


def used_to(loss: float = 2.0, grad_norm: float = 1.0, noise: float = 0.05, steps: int = WINDOW) -> GuardMemory:
    """A memory of steps around these values."""
    chance, memory = random.Random(1), GuardMemory()
    for _ in range(steps):
        here = report(loss * math.exp(chance.gauss(0, noise)), grad_norm * math.exp(chance.gauss(0, noise)))
        verdict, memory = judge(here, memory, RULES, 0, "fp32")
        assert verdict == Apply()
    return memory


def test_a_sound_step_is_applied_and_ends_a_row_of_skips() -> None:
    verdict, memory = judge(report(), GuardMemory(skipped_in_a_row=3, skipped=7, suspect=2), RULES, 5, "fp32")
    assert verdict == Apply()
    assert (memory.skipped_in_a_row, memory.skipped, memory.suspect) == (0, 7, None)
    assert memory.losses == (math.log(2.0),)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_skips_and_is_not_remembered(bad: float) -> None:
    for broken in (report(loss=bad), report(grad_norm=bad)):
        verdict, memory = judge(broken, GuardMemory(), RULES, 5, "fp32")
        assert isinstance(verdict, Skip)
        assert "not finite" in verdict.reason
        assert memory == GuardMemory(skipped_in_a_row=1, skipped=1, suspect=5)


def test_a_batch_without_targets_skips_and_many_of_them_halt_without_going_back() -> None:
    memory = GuardMemory()
    for position in range(RULES.max_skips):
        verdict, memory = judge(report(loss=0.0, trained=0), memory, RULES, position, "fp32")
        assert verdict == Skip("the batch holds nothing to learn from")
    assert isinstance(judge(report(loss=0.0, trained=0), memory, RULES, 9, "fp32")[0], Stop)


def test_the_ladder_skips_then_goes_back_then_halts() -> None:
    memory, then, seen = used_to(), used_to(), []
    for position in range(100):
        verdict, memory = judge(report(loss=math.nan), memory, RULES, position, "fp32")
        seen.append(type(verdict))
        if isinstance(verdict, Stop):
            break
        if isinstance(verdict, RollBack):
            memory = went_back(then, memory, RULES, 3, position)
            assert memory.losses == then.losses
    assert seen == ([Skip] * RULES.max_skips + [RollBack]) * RULES.max_rollbacks + [Skip] * RULES.max_skips + [Stop]
    assert isinstance(verdict, Stop)
    assert "went back 3 times" in verdict.reason


def test_rollbacks_long_ago_do_not_count() -> None:
    memory = GuardMemory(rollbacks=(100, 200, 300), skipped_in_a_row=RULES.max_skips)
    assert isinstance(judge(report(loss=math.nan, step=900), memory, RULES, 0, "fp32")[0], Stop)
    assert isinstance(judge(report(loss=math.nan, step=2000), memory, RULES, 0, "fp32")[0], RollBack)


def test_after_going_back_the_offending_batches_are_passed_over_and_the_rate_is_lower_for_a_while() -> None:
    now = GuardMemory(suspect=40, skipped=6, rows=2, lr_factor=0.5)
    memory = went_back(GuardMemory(skipped=1), now, RULES, step=45, position=46)
    assert [memory.past_jumps(position) for position in (38, 39, 46, 47)] == [38, 47, 47, 47]
    assert (memory.skipped, memory.rows, memory.rollbacks) == (6, 2, (45,))
    assert [memory.factor(step) for step in (30, 244, 245)] == [0.25, 0.25, 0.5]
    twice = went_back(GuardMemory(), dataclasses.replace(memory, suspect=47), RULES, step=60, position=52)
    assert [twice.past_jumps(position) for position in (39, 45, 46, 53)] == [53, 53, 53, 53], (
        "one jump ends in the next"
    )
    assert twice.factor(60) == 0.125


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.2])
def test_a_poisoned_batch_is_seen_at_once_whatever_the_noise(noise: float) -> None:
    memory = used_to(3.0, noise=noise)
    assert isinstance(judge(report(loss=9.0), memory, RULES, 0, "fp32")[0], Skip if noise < 0.1 else Apply | Skip)
    assert isinstance(judge(report(loss=30.0), memory, RULES, 0, "fp32")[0], Skip)
    assert isinstance(judge(report(loss=3.0, grad_norm=100.0), memory, RULES, 0, "fp32")[0], Skip)


def test_a_long_gradient_alone_is_left_to_clipping_and_small_losses_may_jump() -> None:
    assert judge(report(grad_norm=10.0), used_to(), RULES, 0, "fp32")[0] == Apply()
    assert judge(report(loss=0.3), used_to(0.01), RULES, 0, "fp32")[0] == Apply()


def test_nothing_is_a_spike_before_enough_was_seen_or_where_that_is_off() -> None:
    for steps, rules in ((FEWEST - 1, RULES), (WINDOW, GuardSettings(spike=None))):
        assert judge(report(loss=50.0), used_to(steps=steps), rules, 0, "fp32")[0] == Apply()
    assert isinstance(judge(report(loss=50.0), used_to(steps=FEWEST), RULES, 0, "fp32")[0], Skip)


def test_in_fp16_a_batch_is_tried_with_lower_scales_then_left_out_then_made_in_fp32() -> None:
    memory, seen = GuardMemory(loss_scale=FIRST_SCALE), []
    while not seen or seen[-1] is not Retype:
        verdict, memory = judge(report(grad_norm=math.inf), memory, RULES, 4, "fp16")
        seen.append(type(verdict))
    tries = [Rescale] * MOST_RESCALES
    assert seen == [*tries, Skip] * (HALF_SKIPS - 1) + [*tries, Retype]
    assert (memory.precision, memory.loss_scale, memory.skipped_in_a_row) == ("fp32", 1.0, 0)


def test_the_scale_grows_again_after_many_sound_steps() -> None:
    memory = GuardMemory(loss_scale=64.0, scaled_since=10)
    _, at_once = judge(report(step=11), memory, RULES, 0, "fp16")
    _, later = judge(report(step=5000), memory, RULES, 0, "fp16")
    assert (at_once.loss_scale, later.loss_scale, later.scaled_since) == (64.0, 128.0, 5000)
    assert judge(report(step=5000), memory, RULES, 0, "bf16")[1].loss_scale == 64.0


def test_memory_survives_a_manifest() -> None:
    memory = dataclasses.replace(
        used_to(steps=40), skipped=9, suspect=3, rollbacks=(4,), jumps=((1, 7),), lowered=(0.5, 90), rows=2,
        precision="fp32", ended=True, trend=Trend(1.5, 1, 2, 1),
    )  # fmt: skip
    assert GuardMemory.from_dict(memory.to_dict()) == memory
    assert GuardMemory.from_dict({"skipped": 2, "skipped_in_a_row": 1}) == GuardMemory(skipped=2, skipped_in_a_row=1)


@pytest.mark.parametrize(
    "odd", [{"skipped": -1}, {"skipped": 1.5}, {"more": 1}, {"losses": ["x"]}, {"lowered": [1]}, {"trend": {"x": 1}},
            {"rows": "2"}, {"rows": 0}, {"lr_factor": -1.0}, {"precision": "int1"}, {"jumps": [[1]]}]
)  # fmt: skip
def test_what_is_no_memory_is_refused(odd: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not of this version"):
        GuardMemory.from_dict(GuardMemory().to_dict() | odd)
    with pytest.raises(ValueError, match="not of this version"):
        GuardMemory.from_dict({})
