"""Retention deletes what nothing holds, and never what a run could need."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.vault.retention import MILESTONES, Candidate, Policy, Retention, lineage, retain

FULL, WEIGHTS = 30, 10
TAGS = ("interval", "best", "healthy", "milestone", "epoch", "stage_end", "emergency", "signal")


def candidate(step: int, *tags: str, incarnation: int = 1, score: float | None = None) -> Candidate:
    return Candidate(f"{incarnation}-{step}", step, incarnation, tags, score, FULL, WEIGHTS)


def after(history: list[Candidate], done: Retention) -> list[Candidate]:
    """What is there when a decision was carried out, as the vault would list it."""
    left = [each for each in history if each.name not in done.delete]
    return [
        dataclasses.replace(each, bytes=WEIGHTS, weights_only=True) if each.name in done.demote else each
        for each in left
    ]


def steps(candidates: list[Candidate], *, weights_only: bool = False) -> list[int]:
    return [each.step for each in candidates if each.weights_only == weights_only]


@st.composite
def histories(draw: st.DrawFn) -> list[Candidate]:
    """Checkpoints of up to four starts, each of which began at or before the end of the one before it."""
    found: list[Candidate] = []
    step = 0
    for incarnation in range(1, draw(st.integers(1, 4)) + 1):
        step = draw(st.integers(0, step))
        for _ in range(draw(st.integers(0, 7))):
            step += draw(st.integers(1, 3))
            tags = draw(st.sets(st.sampled_from(TAGS), min_size=1))
            found.append(
                Candidate(f"{incarnation}-{step}", step, incarnation, tuple(sorted(tags)),
                          draw(st.none() | st.floats(0, 9)), FULL, WEIGHTS,
                          weights_only=not tags.isdisjoint(MILESTONES) and draw(st.booleans()))
            )  # fmt: skip
    return found


policies = st.builds(
    Policy,
    newest=st.integers(0, 6),
    best=st.integers(1, 3),
    emergency=st.integers(0, 3),
    probation=st.integers(0, 5),
    milestones=st.sampled_from(["full", "weights"]),
    budget=st.none() | st.integers(0, 12 * FULL),
)


@given(histories(), policies)
def test_what_a_run_can_not_do_without_stays_whole_whatever_the_policy(
    history: list[Candidate], policy: Policy
) -> None:
    done = retain(history, policy)
    full = [each for each in history if not each.weights_only]
    alive = [each for each in lineage(history) if not each.weights_only]
    best = [each for each in alive if "best" in each.tags and each.score is not None]
    untouched = {
        *full[-2:],
        *[each for each in alive if "healthy" in each.tags][-1:],
        *sorted(best, key=lambda each: each.score or 0.0)[:1],
    }
    assert untouched <= set(after(history, done))
    if any("healthy" in each.tags for each in full):
        assert any("healthy" in each.tags for each in after(history, done) if not each.weights_only)


@given(histories(), policies)
def test_the_budget_is_kept_or_only_what_is_sacred_is_left(history: list[Candidate], policy: Policy) -> None:
    done = retain(history, policy)
    left = after(history, done)
    if policy.budget is None:
        assert done.over == 0
    else:
        assert done.over == max(
            0, sum(each.bytes if not each.weights_only else WEIGHTS for each in left) - policy.budget
        )
        assert not done.over or len(left) <= 4, "the newest two, the healthy one, the best one"


@pytest.mark.slow
@given(histories(), policies)
def test_without_a_budget_milestones_stay_and_old_ones_as_weights(history: list[Candidate], policy: Policy) -> None:
    policy = dataclasses.replace(policy, budget=None)
    left = after(history, retain(history, policy))
    alive = lineage(history)
    for each in history:
        if not set(MILESTONES).isdisjoint(each.tags) and (each in alive or each.weights_only):
            assert each.name in {kept.name for kept in left}
    if policy.milestones == "full":
        assert steps(left, weights_only=True) == steps(history, weights_only=True), "none was cut down"


@pytest.mark.slow
@given(histories(), policies)
def test_it_is_done_after_one_go_and_names_only_what_is_there(history: list[Candidate], policy: Policy) -> None:
    done = retain(history, policy)
    assert done.delete | done.demote <= {each.name for each in history}
    assert not done.delete & done.demote
    again = retain(after(history, done), policy)
    assert (again.delete, again.demote) == (frozenset(), frozenset())


@given(histories())
def test_without_milestones_their_number_is_bounded(history: list[Candidate]) -> None:
    plain = [each for each in history if set(MILESTONES).isdisjoint(each.tags)]
    left = after(plain, retain(plain, Policy(newest=3, best=2, emergency=3)))
    assert len(left) <= 3 + 1 + 2 + 1 + 3


def test_each_tier_outlives_the_newest() -> None:
    history = [
        candidate(1, "best", score=2.0),
        candidate(2, "best", score=1.5),
        candidate(3, "interval", "best", score=1.2),
        candidate(4, "stage_end", score=1.2),  # the score so far, not its own
        candidate(5, "healthy"),
        candidate(6, "healthy"),
        candidate(7, "milestone"),
        candidate(8, "emergency"),
        candidate(9, "emergency"),
        candidate(10, "stage_end"),
        *(candidate(step, "interval", score=1.2) for step in range(11, 15)),
    ]
    left = after(history, retain(history, Policy(newest=2, emergency=1)))
    assert steps(left) == [2, 3, 6, 9, 10, 13, 14]
    assert steps(left, weights_only=True) == [7]
    left = after(history, retain(history, Policy(newest=2, emergency=0, milestones="full")))
    assert steps(left) == [2, 3, 6, 7, 10, 13, 14]


def test_of_equal_scores_the_earlier_one_is_the_best() -> None:
    history = [candidate(step, "best", score=1.0) for step in (1, 2, 3)] + [candidate(step) for step in (4, 5)]
    assert steps(after(history, retain(history, Policy(newest=2, best=1)))) == [1, 4, 5]


def test_a_future_that_did_not_happen_goes_but_for_the_newest_two_and_the_last_healthy_one() -> None:
    history = [
        candidate(10, "interval"),
        candidate(20, "best", score=0.1),
        candidate(30, "healthy", "milestone"),
        candidate(40, "milestone"),
        candidate(50, "stage_end"),
    ]
    taken_back = [*history, candidate(15, "adopted", incarnation=2)]
    assert [each.step for each in lineage(taken_back)] == [10, 15]
    assert steps(after(taken_back, retain(taken_back, Policy(newest=2)))) == [30, 50, 15]
    going_on = [*taken_back, *(candidate(step, "interval", incarnation=2) for step in (35, 45, 55))]
    left = after(going_on, retain(going_on, Policy(newest=2)))
    assert steps(left) == [30, 15, 45, 55], "with 15, by which one sees that 30 is in no line"
    assert [each.step for each in lineage(left)] == [15, 45, 55]
    proved = [*going_on, candidate(65, "healthy", incarnation=2)]
    assert steps(after(proved, retain(proved, Policy(newest=2)))) == [55, 65]


def test_one_cut_down_to_its_weights_still_tells_where_the_run_went() -> None:
    milestone = dataclasses.replace(candidate(20, "milestone", incarnation=2), weights_only=True)
    history = [candidate(10), candidate(30, "best", score=1.0), milestone]
    history += [candidate(step, incarnation=2) for step in (40, 50)]
    assert [each.step for each in lineage(history)] == [10, 20, 40, 50]
    assert steps(after(history, retain(history, Policy(newest=2)))) == [40, 50]


def test_a_state_that_a_later_start_went_through_again_is_not_in_the_line_twice() -> None:
    history = [candidate(10), candidate(20), candidate(10, incarnation=2), candidate(15, incarnation=2)]
    assert [each.name for each in lineage(history)] == ["2-10", "2-15"]


def test_a_budget_costs_what_is_least_missed_first() -> None:
    history = [
        candidate(1, "milestone"),
        candidate(2, "best", score=2.0),
        candidate(3, "best", score=1.0),
        candidate(4, "emergency"),
        candidate(5, "healthy"),
        candidate(6, "stage_end"),
        candidate(7, "interval"),
        candidate(8, "interval"),
        candidate(9, "milestone"),
    ]
    policy = Policy(newest=3, milestones="full")
    rest = {budget: after(history, retain(history, dataclasses.replace(policy, budget=budget)))
            for budget in (270, 269, 240, 210, 150, 140, 120, 110)}  # fmt: skip
    assert steps(rest[270]) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [steps(rest[269]), steps(rest[269], weights_only=True)] == [[2, 3, 4, 5, 6, 7, 8, 9], [1]]
    assert [steps(rest[240]), steps(rest[240], weights_only=True)] == [[3, 4, 5, 6, 7, 8, 9], [1]]
    assert [steps(rest[150]), steps(rest[150], weights_only=True)] == [[3, 5, 8, 9], [1]]
    assert [steps(rest[120]), steps(rest[120], weights_only=True)] == [[3, 5, 8, 9], []]
    assert retain(history, dataclasses.replace(policy, budget=110)).over == 10
    assert rest[110] == rest[120]


def test_there_is_always_one_that_lives_long_enough_to_turn_out_healthy() -> None:
    """However often it is saved, and however few are kept."""
    history: list[Candidate] = []
    for step in range(1, 60):
        history = [dataclasses.replace(each, tags=("healthy",)) if each.step == step - 10 else each for each in history]
        history.append(candidate(step, "interval"))
        history = after(history, retain(history, Policy(newest=2, probation=10)))
        assert len(history) <= 4
        assert step < 12 or any("healthy" in each.tags for each in history)
    assert max(each.step for each in history if "healthy" in each.tags) > 59 - 2 * 11
