"""Which checkpoints may go. Pure: names and tags in, names out, so that every case can be tried without a disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 2  # if the newest turns out to be bad, there is one more


@dataclass(frozen=True, slots=True)
class Candidate:
    """What retention looks at. `score` is the validation score of a checkpoint tagged best: lower is better."""

    name: str
    tags: tuple[str, ...] = ()
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How many to keep: of the newest, and of those that were best when they were saved."""

    newest: int = 3
    best: int = 2


def to_delete(candidates: Sequence[Candidate], policy: Policy) -> set[str]:
    """Names of the checkpoints that nothing holds. `candidates` are committed ones, oldest first.

    Held are the newest ones (never fewer than two), the best and the one before it, and the last end of a stage.
    """
    held = {candidate.name for candidate in candidates[-max(policy.newest, FEWEST) :]}
    best = [candidate for candidate in candidates if "best" in candidate.tags and candidate.score is not None]
    best.sort(key=_score)  # stable, so of equal scores the later one comes later
    held |= {candidate.name for candidate in best[: policy.best]}
    ends = [candidate.name for candidate in candidates if "stage_end" in candidate.tags]
    held |= set(ends[-1:])
    return {candidate.name for candidate in candidates} - held


def _score(candidate: Candidate) -> float:
    assert candidate.score is not None
    return candidate.score
