"""Alarms: silent on noise, told soon and once when something changes, and once when it is over."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from holdfast.journal.alarms import BLOCK, HOP, LOSS_MEMORY, RECENT, WARM_UP, Alarm, Facts, Watch, usual_speed
from holdfast.journal.settings import AlarmSettings

SAVE_SECONDS = 45.0
PLAIN = Facts(1, 1, seconds=0.5, tokens=8192, loss=3.0, save_seconds=SAVE_SECONDS, memory=0.5, disk_free=10**12)


def watch(usual: float | None = None, save_steps: int | None = None, **settings: Any) -> Watch:
    return Watch(AlarmSettings(**settings), "pretrain", save_steps, 10**8, usual)


def steps(count: int, first: int = 1, **changes: Any) -> Iterator[Facts]:
    """Facts of `count` steps, each saved at once unless told otherwise."""
    for step in range(first, first + count):
        yield replace(PLAIN, **({"step": step, "saved": step} | changes))


def told(looker: Watch, facts: Iterator[Facts]) -> list[tuple[int, Alarm]]:
    return [(each.step, alarm) for each in facts for alarm in looker.look(each)]


def recorded_like(count: int, seed: int) -> Iterator[Facts]:
    """What a run measures: a falling loss with noise that comes in waves, step times with a tail and rare long ones,
    memory and disk that tremble, a save every forty steps."""
    chance = random.Random(seed)
    wave = 0.0
    for step in range(1, count + 1):
        wave = 0.95 * wave + chance.gauss(0, 0.05)
        long = chance.random() < 0.002
        yield Facts(
            step,
            step - step % 40,
            seconds=0.5 * math.exp(chance.gauss(0, 0.25)) * (20 if long else 1),
            tokens=8192,
            loss=1.5 + 6 * math.exp(-step / 3000) + chance.gauss(0, 0.25) + wave,
            save_seconds=SAVE_SECONDS,
            memory=0.6 + 0.1 * chance.random(),
            disk_free=int(50e9 * (1 + chance.random())),
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_silent_over_a_hundred_thousand_steps_of_noise(seed: int) -> None:
    assert told(watch(), recorded_like(100_000, seed)) == []


def test_silent_where_a_small_loss_is_all_noise() -> None:
    chance = random.Random(7)
    noise = (replace(PLAIN, step=n, saved=n, loss=abs(chance.gauss(0.02, 0.02))) for n in range(1, 20_000))
    assert told(watch(), noise) == []


SETTLED = WARM_UP + BLOCK + RECENT
PACE_LAG = RECENT // 2 + HOP + 1  # half of the recent steps must have changed, and somebody must look
# name -> (what changes, steps until it is told at most, what the text says)
CONDITIONS = {
    "step_time": ({"seconds": 1.0}, PACE_LAG, "a step takes 1000 ms, 2.0 times the 500 ms of the beginning"),
    "loss_rising": ({"loss": 4.5}, LOSS_MEMORY, "its best was 3.000"),
    "memory": ({"memory": 0.9}, 1, "90% of the memory is in use"),
    "disk_low": ({"disk_free": 7 * 10**8}, 1, "700 MB of the disk are free, and 1 GB should be"),
    "checkpoint_overdue": ({"saved": SETTLED}, int(3 * SAVE_SECONDS / 0.5) + 2, "steps old"),
    "work_at_risk": ({"saved": SETTLED}, int(600 / 0.5) + 2, "10m00s of work"),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_told_soon_and_once_and_once_when_it_is_over(name: str) -> None:
    change, most, words = CONDITIONS[name]
    looker = watch()
    assert told(looker, steps(SETTLED)) == []
    during = [each for each in told(looker, steps(3000, SETTLED + 1, **change)) if each[1].name == name]
    assert len(during) == 1
    at, alarm = during[0]
    assert SETTLED < at <= SETTLED + most
    assert not alarm.over
    assert words in alarm.text
    assert alarm.text.startswith(f"pretrain step {at:,}: ")
    after = [alarm for _, alarm in told(looker, steps(3000, SETTLED + 3001)) if alarm.name == name]
    assert [alarm.over for alarm in after] == [True]
    assert "over: " in after[0].text
    again = [alarm for _, alarm in told(looker, steps(3000, SETTLED + 6001, **change)) if alarm.name == name]
    assert [alarm.over for alarm in again] == [False], "the next time is told again"


def test_a_slower_machine_is_told_by_what_earlier_starts_read() -> None:
    found = told(watch(usual=8192 / 0.2), steps(500))
    assert [(alarm.name, alarm.over) for _, alarm in found] == [("throughput", False)]
    assert "16.4k tokens a second, 40% of the 41.0k it once read" in found[0][1].text
    assert told(watch(usual=8192 / 0.4), steps(500)) == []


def test_steps_that_get_slower_are_one_alarm_and_not_two() -> None:
    looker = watch()
    told(looker, steps(SETTLED))
    assert {alarm.name for _, alarm in told(looker, steps(500, SETTLED + 1, seconds=2.0))} == {"step_time"}


def test_one_slow_step_is_no_pace() -> None:
    looker = watch()
    told(looker, steps(SETTLED))
    assert told(looker, steps(1, SETTLED + 1, seconds=3600.0)) == []
    assert told(looker, steps(500, SETTLED + 2)) == []


def test_a_value_that_trembles_around_its_limit_is_told_once() -> None:
    looker = watch()
    trembling = (replace(PLAIN, step=n, saved=n, memory=0.87 + 0.02 * (-1) ** n) for n in range(1, 1000))
    assert len(told(looker, trembling)) == 1


def test_a_loss_that_is_no_number_is_left_to_the_guard() -> None:
    looker = watch()
    told(looker, steps(SETTLED))
    assert told(looker, steps(50, SETTLED + 1, loss=math.nan)) == []
    assert told(looker, steps(50, SETTLED + 51)) == []


def test_long_steps_that_are_saved_as_often_as_can_be_are_not_overdue() -> None:
    looker = watch()
    assert told(looker, (replace(each, saved=each.step - 1) for each in steps(100, seconds=400.0))) == []


def test_saves_by_steps_are_overdue_by_steps() -> None:
    unsaved = steps(200, saved=1, save_seconds=None)
    (at, alarm) = told(watch(save_steps=20), unsaved)[0]
    assert (alarm.name, at) == ("checkpoint_overdue", 62)


def test_the_room_for_the_next_checkpoints_counts_where_it_is_more() -> None:
    looker = Watch(AlarmSettings(), "sft", None, 6 * 10**9)
    ((_, alarm),) = told(looker, steps(1, disk_free=11 * 10**9))
    assert "11 GB of the disk are free, and 12 GB should be" in alarm.text


CHANGED = {
    "risk_minutes": 1.0,
    "overdue": 40.0,
    "step_time": 3.0,
    "throughput": 0.5,
    "loss": 2.0,
    "memory": 0.95,
    "disk_gb": 0.1,
}


@pytest.mark.parametrize("off", [False, True])
@pytest.mark.parametrize("name", CHANGED)
def test_every_limit_has_an_effect(name: str, off: bool) -> None:
    """Against a run in which everything goes wrong, one after the other."""

    def everything(**settings: Any) -> list[tuple[int, str]]:
        looker = watch(usual=8192 / 0.4, **({"throughput": 0.85} | settings))
        facts = [
            *steps(SETTLED),
            *steps(2000, SETTLED + 1, saved=SETTLED),
            *steps(500, SETTLED + 2001, seconds=1.1),
            *steps(500, SETTLED + 2501, loss=5.0, memory=0.9, disk_free=5 * 10**8),
        ]
        return [(step, alarm.name) for step, alarm in told(looker, iter(facts))]

    assert everything(**{name: None if off else CHANGED[name]}) != everything()


def test_speed_of_earlier_starts_is_the_median_of_their_latest_steps() -> None:
    made = [{"kind": "step", "stage": "sft", "tokens_per_second": float(speed)} for speed in range(1000)]
    assert usual_speed(made, "sft") == 1000 - BLOCK / 2 - 0.5
    assert usual_speed(made, "pretrain") is None
    assert usual_speed(made[: BLOCK - 1], "sft") is None


def test_the_record_of_an_alarm_has_no_step_so_that_a_resume_leaves_it() -> None:
    fields = Alarm("memory", "90% of the memory is in use").fields()
    assert fields == {"event": "alarm", "alarm": "memory", "over": False, "text": "90% of the memory is in use"}
