"""Retention deletes what nothing holds, and never what a run could need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.vault.retention import Candidate, Policy, to_delete

tags = st.sets(st.sampled_from(["interval", "best", "stage_end", "signal"]), min_size=1).map(tuple)
histories = st.lists(st.tuples(tags, st.none() | st.floats(0, 10)), max_size=25).map(
    lambda rows: [Candidate(f"step-{number}", tag, score) for number, (tag, score) in enumerate(rows)]
)


@given(histories, st.integers(0, 6), st.integers(0, 3))
def test_the_newest_stay_and_never_fewer_than_two(history: list[Candidate], newest: int, best: int) -> None:
    gone = to_delete(history, Policy(newest, best))
    left = [candidate.name for candidate in history if candidate.name not in gone]
    wanted = min(len(history), max(newest, 2))
    assert left[-wanted:] == [candidate.name for candidate in history[-wanted:]] if wanted else left == []


@given(histories)
def test_deleting_is_done_after_one_go_and_bounded(history: list[Candidate]) -> None:
    policy = Policy(newest=3)
    gone = to_delete(history, policy)
    left = [candidate for candidate in history if candidate.name not in gone]
    assert to_delete(left, policy) == set()
    assert len(left) <= 3 + 2 + 1


def test_best_previous_best_and_stage_end_outlive_the_newest() -> None:
    history = [
        Candidate("a", ("best",), 2.0),
        Candidate("b", ("best",), 1.5),
        Candidate("c", ("interval", "best"), 1.2),
        Candidate("d", ("stage_end",), 1.2),  # the score so far, not its own
        *(Candidate(f"e{number}", ("interval",), 1.2) for number in range(4)),
    ]
    assert to_delete(history, Policy(newest=2)) == {"a", "e0", "e1"}
