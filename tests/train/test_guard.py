"""The guard's verdicts are a pure function of report and memory."""

import math

import pytest

from holdfast.base.records import Report
from holdfast.train.guard import MOST_SKIPS_IN_A_ROW, Apply, GuardMemory, Skip, Stop, follow, judge


def report(loss: float = 2.0, grad_norm: float = 1.0, trained: int = 8) -> Report:
    return Report(step=3, loss=loss, grad_norm=grad_norm, tokens=8, trained_tokens=trained, micro_batch_rows=1)


def test_a_sound_step_is_applied_and_ends_a_row_of_skips() -> None:
    verdict, memory = judge(report(), GuardMemory(skipped_in_a_row=3, skipped=7))
    assert verdict == Apply()
    assert memory == GuardMemory(skipped_in_a_row=0, skipped=7)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_skips(bad: float) -> None:
    for broken in (report(loss=bad), report(grad_norm=bad)):
        verdict, memory = judge(broken, GuardMemory())
        assert isinstance(verdict, Skip)
        assert "not finite" in verdict.reason
        assert memory == GuardMemory(1, 1)


def test_a_batch_without_targets_skips_even_though_its_loss_is_zero() -> None:
    verdict, _ = judge(report(loss=0.0, trained=0), GuardMemory())
    assert verdict == Skip("the batch holds nothing to learn from")


def test_too_many_skips_in_a_row_stop_the_run() -> None:
    memory = GuardMemory()
    verdicts = []
    for _ in range(MOST_SKIPS_IN_A_ROW + 1):
        verdict, memory = judge(report(loss=math.nan), memory)
        verdicts.append(type(verdict))
    assert verdicts == [Skip] * MOST_SKIPS_IN_A_ROW + [Stop]


def test_what_was_decided_is_followed_with_the_same_memory() -> None:
    judged, memory = GuardMemory(), GuardMemory()
    for loss in (2.0, math.nan, math.inf, 2.0, math.nan):
        verdict, judged = judge(report(loss=loss), judged)
        decision = None if isinstance(verdict, Apply) else {"verdict": "skip", "reason": "the loss is not finite"}
        assert follow(decision, memory) == (verdict, judged)
        memory = judged
    assert follow({"verdict": "stop", "reason": "enough"}, memory)[0] == Stop("enough")


def test_memory_survives_a_manifest() -> None:
    memory = GuardMemory(2, 9)
    assert GuardMemory.from_dict(memory.to_dict()) == memory
    with pytest.raises(KeyError):
        GuardMemory.from_dict({"skipped": 1})
