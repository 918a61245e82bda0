"""One fault, one run: let it strike, bring the run to its end, and judge whether what is promised of it was kept.

What strikes the process, its files or its time must leave no trace: the end is that of the unbroken run, to the bit.
What strikes the learning itself (a number that is none, noise, too little memory) must be healed: the run ends, all of
its numbers are numbers, its journal tells all that was decided (so a replay comes to the same bits), and its validation
is close to that of the unbroken run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from holdfast.base.faults import ExitCode
from holdfast.disk.injection import BATCHES, ERRORS, INJECTED, MEMORY, SIGNALS, STEPS, Injected, parse
from holdfast.launch.runs import FORESEEN, UNBROKEN, Runs
from holdfast.stages.inspection.outcome import is_finite, led_to, slowest_step, validations

HEALED = (*BATCHES, "oom")  # what is learned afterwards is not what the unbroken run learned
IN_THE_DATA = ("spike",)  # so that a replay reads it too
MOST_STARTS = 5
LONGEST_SECONDS, LONGEST = 60.0, 10  # a start hangs that takes longer, and so many times as long as the unbroken run
HANG_STEPS = 20  # times the longest step of the unbroken run without progress: a hang
LEAST_HANG_SECONDS = 5.0


@dataclass(slots=True)
class Trial:
    """What one fault came to.

    fault:      as HOLDFAST_FAULTS takes it. exit_codes: of every start; None: it hung.
    led_to:     what was decided and told, and how often, beyond what the unbroken run decided and told.
    same_bits:  as the unbroken run. replayed: whether a replay came to the same bits; None: not asked.
    validation: stage -> relative difference to the unbroken run; positive is worse.
    broken:     which promises were, in words; none when all is well.
    """

    fault: str
    exit_codes: list[int | None]
    led_to: dict[str, int] = field(default_factory=dict)
    same_bits: bool | None = None
    finite: bool | None = None
    replayed: bool | None = None
    validation: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"kept": not self.broken}


def placed(text: str, steps: int, seed: int) -> list[Injected]:
    """The faults that `text` asks for; one that says no place gets a random one among `steps`, from the seed.

    `signal` is any of those that ask a run to stop. Raises RecipeFault for what is no fault to inject.
    """
    chance = random.Random(seed)
    return [
        fault for word in text.split(",") if word.strip() for fault in parse(_at_a_place(word.strip(), steps, chance))
    ]


def _at_a_place(word: str, steps: int, chance: random.Random) -> str:
    if "@" in word:
        return word
    name = chance.choice(("term", "int", "usr1")) if word == "signal" else word
    if name in MEMORY and name != "oom":
        return f"{name}@1"  # there may be no second evaluation in a short run
    if name in (*SIGNALS, *STEPS, *BATCHES, "oom"):
        return f"{name}@{chance.randint(2, max(2, steps - 1))}"
    operation = "any" if name in ERRORS else "write"  # the journal alone writes once a step
    return f"{name}@{operation}:{chance.randint(2, max(2, steps))}"


def trial(runs: Runs, name: str, fault: Injected, tolerance: float) -> Trial:
    """Let `fault` strike a run called `name`. tolerance: by which part the validation of a healed run may be worse."""
    runs.share(name, _settings(runs, fault))
    said_before = len(runs.said())
    found = Trial(str(fault), _starts(runs, name, fault))
    found.led_to = dict(led_to(runs.dir(name)) - led_to(runs.dir(UNBROKEN)))
    if found.exit_codes[-1] != ExitCode.DONE:
        ended = "it hangs" if found.exit_codes[-1] is None else f"it ended with {found.exit_codes[-1]}"
        found.broken.append(f"{ended}: {runs.last_word()}")
        return found
    if not _struck(runs, found, fault, runs.said()[said_before:]):
        found.broken.append("it did not strike: the run has no such place")
    stages = runs.compare(name)
    found.same_bits = all(stage["equal"] for stage in stages) and runs.same_scores(name)
    found.finite = is_finite(runs.dir(name))
    found.validation = _worse(validations(runs.dir(UNBROKEN)), validations(runs.dir(name)))
    if not found.finite:
        found.broken.append("what it learned is not all numbers")
    if fault.name not in HEALED and not found.same_bits:
        found.broken.append("it did not end like the unbroken run")
    if fault.name in HEALED:
        _judge_healed(runs, name, fault, found, tolerance)
    return found


def _judge_healed(runs: Runs, name: str, fault: Injected, found: Trial, tolerance: float) -> None:
    found.replayed = runs.replayed(name, str(fault) if fault.name in IN_THE_DATA else "")
    if not found.replayed:
        found.broken.append("a replay of it does not come to the same bits")
    for stage, worse in found.validation.items():
        if not worse <= tolerance:
            found.broken.append(f"{stage} is {worse:.1%} worse than unbroken, more than {tolerance:.0%}")


def _settings(runs: Runs, fault: Injected) -> Sequence[str]:
    """A hang is to be found out while somebody waits for it, and to end in a start that can be gone on with."""
    if fault.name != "hang":
        return ()
    seconds = max(LEAST_HANG_SECONDS, HANG_STEPS * slowest_step(runs.dir(UNBROKEN)))
    return f"alarms.hang_minutes={seconds / 60:.4f}", "alarms.on_hang=exit"


def _starts(runs: Runs, name: str, fault: Injected) -> list[int | None]:
    """The exit codes of all starts until the run ended, or ended in a way that nothing explains."""
    limit = max(LONGEST_SECONDS, LONGEST * runs.seconds)
    codes = [runs.start(name, str(fault), limit)]
    while codes[-1] != ExitCode.DONE and codes[-1] in FORESEEN and len(codes) < MOST_STARTS:
        codes.append(runs.start(name, str(fault) if fault.poisons else "", limit))  # a broken batch stays so
    return codes


def _struck(runs: Runs, found: Trial, fault: Injected, said: str) -> bool:
    """Whether the fault took place, as far as it can be told from outside."""
    if fault.name in (*BATCHES, *STEPS):
        return fault.at <= max(runs.lengths.values())
    return bool(found.led_to) or found.exit_codes[0] != ExitCode.DONE or f"{INJECTED} {fault}" in said


def _worse(unbroken: Mapping[str, float], healed: Mapping[str, float]) -> dict[str, float]:
    return {stage: healed.get(stage, math.inf) / value - 1 for stage, value in unbroken.items()}
