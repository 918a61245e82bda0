"""Whatever becomes of a run, in whatever order: what its vault promises holds on a real disk, at every moment."""

from __future__ import annotations

import math
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor

from holdfast.base.faults import DiskFault, Fault
from holdfast.disk import fileops
from holdfast.vault.checkpoint import Checkpoint, directory_name, find
from holdfast.vault.marks import read_marks, tags_of
from holdfast.vault.retention import MILESTONES, Policy
from holdfast.vault.store import Vault
from holdfast.vault.verify import verify
from tests.chaos.results import count, record
from tests.disk.watchers import Killed, Nth

LIFETIMES = count(30, 5000)
EVENTS = 20
OPERATIONS = 60  # a save takes some forty
TAGS = (*MILESTONES, "emergency", "stage_end")
SACRED = 5  # checkpoints: the newest two, the best one, the healthy one, and what shows that it was left if it was
MEMORY = Path("/dev/shm")  # a disk on which waiting for the disk costs nothing; elsewhere it takes twice as long


def tensors(seed: float) -> dict[str, dict[str, Tensor]]:
    return {"model": {"w": torch.full((40,), seed)}, "optimizer": {"m": torch.zeros(40), "v": torch.zeros(40)}}


def size_of(folder: Path) -> int:
    """Bytes of the tensors of all checkpoints, half-made and half-deleted ones too; a linked file counts once."""
    files = {file.stat().st_ino: file.stat().st_size for file in folder.rglob("*.safetensors")}
    return sum(files.values())


class Looking(Nth):
    """Besides what Nth does: nothing whole goes unless two others are there, and a newer one that is sound."""

    def __init__(self, number: int = 0, failure: type[BaseException] | None = None) -> None:
        super().__init__(number) if failure is None else super().__init__(number, failure)
        self.largest = 0

    def before(self, operation: fileops.Operation) -> None:
        super().before(operation)
        if operation.kind != "rename" or operation.target is None:
            return
        folder = operation.target.parent if operation.path.parent.name == ".stage" else operation.path.parent
        self.largest = max(self.largest, size_of(folder))
        if operation.target.parent.name == ".trash":
            whole = [each for each in find(folder) if not each.weights_only]
            others = [each for each in whole if each.path != operation.path]
            assert len(others) >= 2
            assert others[-1] == whole[-1]
            assert verify(others[-1]) is None


class Lifetime:
    """A run as its vault sees it: it saves, fails, is killed, starts again, is taken back, under changing policies.

    known: step -> tags of what was reported as saved and is in the line of the run, or was found there by a start.
    """

    def __init__(self, root: Path, dice: random.Random, counts: Counter[str]) -> None:
        self.root, self.dice, self.counts = root, dice, counts
        self.incarnation = self.step = self.seed = 0
        self.policy = Policy(newest=2)
        self.seeds: dict[str, int] = {}  # of every state that was ever handed to the vault
        self.known: dict[int, set[str]] = {}
        self.best = math.inf
        self.sound: set[Path] = set()  # nothing that was committed is written to again
        self.most_whole = 0
        self.had_healthy = False
        self.held_to: Policy | None = None  # by the last save; None if something went wrong or changed since
        self._start()

    def live(self) -> None:
        """One event after the other; after each of them, all that is promised is looked at."""
        events = {
            self.save: 8, self.save_on_a_disk_that_fails: 4, self.killed_while_saving: 3, self.start_again: 1,
            self.taken_back: 2, self.found_to_be_the_best: 2, self.found_to_be_healthy: 2, self.another_policy: 2,
            self.a_state_that_is_not_finite: 1,
        }  # fmt: skip
        for event in self.dice.choices(list(events), list(events.values()), k=EVENTS):
            self.counts[event.__name__.replace("_", " ")] += 1
            event()
            self.look()
        self.sound.clear()
        self.look()

    def save(self) -> None:
        self._save(self.dice.uniform(0, 9), Looking())
        self.held_to = self.policy
        if self.policy.budget is not None:
            assert len(self.vault.everything()) <= SACRED or size_of(self.root) <= self.policy.budget

    def save_on_a_disk_that_fails(self) -> None:
        try:
            self._save(math.inf, Looking(self.dice.randint(1, OPERATIONS)))
        except DiskFault:
            self.counts["saves that failed"] += 1

    def killed_while_saving(self) -> None:
        try:
            self._save(math.inf, Looking(self.dice.randint(1, OPERATIONS), Killed))
        except Killed:
            self.counts["saves that were cut short"] += 1
        self.start_again()

    def start_again(self) -> None:
        found = self._start()
        self.step = 0 if found is None else found.step
        assert self.step >= max(self.known, default=0), "what was reported as saved is lost"
        if found is not None:
            self.known.setdefault(found.step, set())

    def taken_back(self) -> None:
        newest = self._start()
        if newest is None:
            return
        chosen = self.dice.choice(self.vault.checkpoints())
        tags = set(tags_of(chosen.path.name, chosen.manifest.tags, self.vault.marks()))
        self.step, self.held_to = chosen.step, None
        self.seeds[self._name()] = self.seeds[chosen.path.name]
        wanted = self._name()
        try:
            with fileops.watched(Looking(self.dice.choice([0, self.dice.randint(1, OPERATIONS)]), Killed)):
                self.vault.adopt(chosen, ["adopted"])
        except Killed:
            found = self._start()
            assert found is not None
            if found.path.name != wanted:
                assert found.path == newest.path
                self.step = newest.step
                self.known.setdefault(self.step, set())
                return
        self.known = {step: tags for step, tags in self.known.items() if step < chosen.step} | {chosen.step: tags}
        self.best = self._best()

    def found_to_be_the_best(self) -> None:
        score = self.dice.uniform(0, 9)
        if self.step in self.known and score < self.best:
            self.vault.mark(self.vault.checkpoints()[-1], "best", score)
            self.best = score

    def found_to_be_healthy(self) -> None:
        if self.vault.checkpoints():
            self.vault.mark(self.vault.checkpoints()[-1], "healthy")
            self.had_healthy = True

    def another_policy(self) -> None:
        budget = self.dice.choice([None, self.dice.randint(0, 8000)])
        self.policy = Policy(self.dice.randint(2, 3), self.dice.randint(1, 2), self.dice.randint(0, 2), budget=budget)

    def a_state_that_is_not_finite(self) -> None:
        with pytest.raises(Fault, match="not finite"):
            self.vault.save(self.step + 1, tensors(math.nan), {"stage": "toy"}, [], self.policy)

    def look(self) -> None:
        """Enough is left, all of it is sound, and what is to be kept is there."""
        there = self.vault.everything()
        assert {each.path: why for each in there if each.path not in self.sound and (why := verify(each))} == {}
        self.sound.update(each.path for each in there)
        whole = [each for each in there if not each.weights_only]
        self.most_whole = max(self.most_whole, len(whole))
        assert len(whole) >= min(2, self.most_whole)
        marks = read_marks(self.root)
        tags = {each: tags_of(each.path.name, each.manifest.tags, marks) for each in there}
        assert not self.had_healthy or any("healthy" in tags[each] for each in whole)
        kept = {(each.step, tag) for each in there for tag in tags[each]}
        assert {(step, tag) for step, known in self.known.items() for tag in known if tag in MILESTONES} <= kept
        assert self._best() == self.best

    def _start(self) -> Checkpoint | None:
        """A start of the run: a kill leaves no damage, and what is found is the state of its name."""
        self.incarnation += 1
        self.vault = Vault(self.root, self.incarnation)
        found = self.vault.newest_valid()
        assert self.vault.rejected == {}
        if found is not None:
            assert torch.equal(self.vault.load(found)["model"]["w"], tensors(self.seeds[found.path.name])["model"]["w"])
        return found

    def _name(self) -> str:
        return directory_name(self.step, self.incarnation)

    def _save(self, score: float, watcher: Looking) -> None:
        self.step, self.seed = self.step + self.dice.randint(1, 3), self.seed + 1
        self.seeds[self._name()] = self.seed
        held_to, self.held_to = self.held_to, None
        tags = {*self.dice.sample(TAGS, self.dice.choice([0, 0, 1, 2])), *(["best"] if score < self.best else [])}
        best = min(score, self.best)
        if self.policy.budget is not None:  # it may cost them
            self.known = {step: known - {*MILESTONES} for step, known in self.known.items()}
        with fileops.watched(watcher):
            fields = {"stage": "toy", "best": best if math.isfinite(best) else None}
            self.vault.save(self.step, tensors(self.seed), fields, sorted(tags), self.policy)
        self.known[self.step] = tags if self.policy.budget is None else tags - {*MILESTONES}
        self.best = best
        if held_to == self.policy and self.policy.budget is not None:
            one = self.vault.checkpoints()[-1].manifest.bytes
            assert watcher.largest <= max(self.policy.budget, SACRED * one) + one

    def _best(self) -> float:
        found = self.vault.newest("best")
        if found is None:
            return math.inf
        marked = self.vault.marks().get(found.path.name, {}).get("best")
        score = found.manifest.best if marked is None else marked
        assert score is not None
        return score


@pytest.mark.slow
def test_every_lifetime_keeps_what_it_can_not_do_without() -> None:
    counts: Counter[str] = Counter()
    for number in range(LIFETIMES):
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
            try:
                Lifetime(Path(folder), random.Random(number), counts).live()
            except BaseException as failure:
                failure.add_note(f"in lifetime {number}")
                raise
    record("retention", {"lifetimes": LIFETIMES, **counts})
