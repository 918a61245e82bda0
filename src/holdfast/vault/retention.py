"""Which checkpoints may go. Pure: names and tags in, names out, so that every case can be tried without a disk.

Tiers are tags on one copy, not copies. A checkpoint stays as long as any tier holds it:

    rolling     the newest few, never fewer than two: if the newest turns out to be bad, there is one more
    healthy     the newest one that many sound steps followed: where to go back to when training went wrong
    probation   the oldest one that may still turn out to be healthy, or else none would live long enough to be
    best        the lowest validation score, and the one before it
    stage_end   the last end of the stage
    emergency   the newest few that were saved because something broke
    milestone   all of them, as weights only once no other tier holds them
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

FEWEST = 2
MILESTONES = ("milestone", "epoch")
OF_A_STATE = ("best", "healthy", *MILESTONES)  # and not of the moment it was saved in


@dataclass(frozen=True, slots=True)
class Candidate:
    """What retention looks at: one committed checkpoint.

    tags:         why it was saved and what was found out about it since.
    score:        the validation score of one tagged best; lower is better.
    bytes:        what it takes up, and `weights` what it would as weights only.
    weights_only: it was demoted: good to use, not to resume from.
    """

    name: str
    step: int = 0
    incarnation: int = 1
    tags: tuple[str, ...] = ()
    score: float | None = None
    bytes: int = 0
    weights: int = 0
    weights_only: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """How many to keep of each tier, and how many bytes they may take up together (None: any number).

    probation: steps after which a checkpoint turns out to be healthy or not.
    """

    newest: int = 3
    best: int = 2
    emergency: int = 3
    probation: int = 0
    milestones: Literal["full", "weights"] = "weights"
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """What is to be done: names to delete, names to keep as weights only, and bytes over the budget all the same."""

    delete: frozenset[str]
    demote: frozenset[str]
    over: int = 0


def retain(candidates: Sequence[Candidate], policy: Policy) -> Retention:
    """What becomes of `candidates`, committed ones, oldest first. The newest two, the newest healthy and the best one
    that can be resumed from are not touched, whatever the budget says."""
    kept = {candidate.name: candidate for candidate in candidates}
    demoted: set[str] = set()
    full = [candidate for candidate in candidates if not candidate.weights_only]
    alive = [candidate for candidate in lineage(candidates) if not candidate.weights_only]
    held = _names(_rolling(full, policy)) | _names(_tiers(full, alive, policy))
    for candidate in candidates:
        if candidate.name in held:
            continue
        milestone = any(tag in MILESTONES for tag in candidate.tags)
        if not milestone or (not candidate.weights_only and candidate not in alive):
            del kept[candidate.name]
        elif not candidate.weights_only and policy.milestones == "weights":
            demoted.add(candidate.name)

    def over() -> int:
        sizes = (each.weights if each.name in demoted else each.bytes for each in kept.values())
        return 0 if policy.budget is None else max(0, sum(sizes) - policy.budget)

    for act, name in _sacrifices(candidates, alive, held):
        if not over():
            break
        if name in kept and act == "demote" and not kept[name].weights_only:
            demoted.add(name)
        elif act == "delete":
            kept.pop(name, None)
            demoted.discard(name)
    gone = frozenset(candidate.name for candidate in candidates) - kept.keys()
    return Retention(gone, frozenset(demoted), over())


def lineage(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that the run as it stands goes back through, oldest first. Where it was taken back to an earlier step,
    what it had saved from there on belongs to a future that did not happen."""
    alive: list[Candidate] = []
    for candidate in reversed(candidates):
        later = [other.step for other in alive if other.incarnation > candidate.incarnation]
        if not later or candidate.step < min(later):
            alive.append(candidate)
    return alive[::-1]


def _rolling(full: Sequence[Candidate], policy: Policy) -> Sequence[Candidate]:
    return full[-max(policy.newest, FEWEST) :]


def _tiers(full: Sequence[Candidate], alive: Sequence[Candidate], policy: Policy) -> Iterator[Candidate]:
    yield from _healthy(full, alive)
    yield from _on_probation(alive, policy.probation)[:1]
    yield from _best(alive)[: policy.best]
    yield from _tagged(alive, "stage_end")[-1:]
    emergencies = _tagged(alive, "emergency")
    yield from emergencies[len(emergencies) - min(policy.emergency, len(emergencies)) :]


def _sacrifices(
    candidates: Sequence[Candidate], alive: Sequence[Candidate], held: set[str]
) -> Iterator[tuple[Literal["demote", "delete"], str]]:
    """What a budget may cost, the least missed first."""
    full = [candidate for candidate in candidates if not candidate.weights_only]
    sacred = _names(full[-FEWEST:]) | _names(_healthy(full, alive)) | _names(_best(alive)[:1])

    def loose(which: Callable[[Candidate], bool]) -> list[str]:
        return [each.name for each in candidates if each.name not in sacred and which(each)]

    milestones = loose(lambda each: any(tag in MILESTONES for tag in each.tags))
    yield from (("demote", name) for name in milestones if name not in held)
    yield from (("delete", name) for name in loose(lambda each: each.name in held and each.name not in milestones))
    yield from (("demote", name) for name in milestones)
    yield from (("delete", name) for name in milestones)


def _healthy(full: Sequence[Candidate], alive: Sequence[Candidate]) -> Sequence[Candidate]:
    """The newest in the line of the run, or else one that it left, with a witness: by it one sees that it was left."""
    if healthy := _tagged(alive, "healthy"):
        return healthy[-1:]
    left = _tagged(full, "healthy")[-1:]
    witnesses = [each for each in alive for one in left if each.incarnation > one.incarnation and each.step <= one.step]
    return [*left, *witnesses[:1]]


def _on_probation(alive: Sequence[Candidate], steps: int) -> list[Candidate]:
    """Those in the line of the run that may still turn out to be healthy, oldest first."""
    return [each for each in alive if "healthy" not in each.tags and each.step >= alive[-1].step - steps]


def _best(candidates: Sequence[Candidate]) -> list[Candidate]:
    best = [candidate for candidate in candidates if "best" in candidate.tags and candidate.score is not None]
    return sorted(best, key=_score)  # stable, so of equal scores the later one comes later


def _score(candidate: Candidate) -> float:
    assert candidate.score is not None
    return candidate.score


def _tagged(candidates: Sequence[Candidate], tag: str) -> list[Candidate]:
    return [candidate for candidate in candidates if tag in candidate.tags]


def _names(candidates: Sequence[Candidate] | Iterator[Candidate]) -> set[str]:
    return {candidate.name for candidate in candidates}
