"""Break a short version of a run on purpose, go on with it each time, and compare it with one that nobody disturbed.

One run is killed and stopped over and over; every fault that is asked for strikes a run of its own. What is drilled are
the stages that train; the text is read and tokenized once, and all runs learn from it.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from holdfast.base.faults import ExitCode, Fault
from holdfast.launch.runs import FORESEEN, UNBROKEN, Progress, Runs, trained
from holdfast.launch.trials import Trial, placed, trial
from holdfast.stages.inspection.checkpoints import listing
from holdfast.stages.recipe import Resolved, resolve
from holdfast.stages.run import holder

INTERRUPTED = "interrupted"
SAVES = 6  # in each stage
EVALUATION = {"questions": 20, "max_tokens": 16, "bits_per_byte_tokens": 20_000}  # at most
SIGNALS = ("SIGKILL", "SIGTERM", "SIGKILL", "SIGINT", "SIGKILL", "SIGUSR1")  # in turn


@dataclass(frozen=True, slots=True)
class Interruption:
    """A signal that is planned. after: steps of the run, over all stages, that are made before it is sent."""

    what: str
    after: int


@dataclass(frozen=True, slots=True)
class Struck:
    """One that took place: how the process ended, how many steps had been made, how many of them were on the disk."""

    what: str
    exit_code: int
    steps_made: int
    steps_saved: int


def shortened(source: str | Path, words: Sequence[str], steps: int) -> Resolved:
    """The recipe with stages of at most `steps` steps, saved often, looked at briefly and not exported. Where `words`
    set one of these themselves, that stands."""
    recipe = resolve(source, words).recipe
    short: dict[str, Any] = {"export.to": "[]"}
    for stage in trained(recipe):
        settings = getattr(recipe, stage)
        length = min(steps, settings.steps or steps)
        short |= {
            f"{stage}.steps": length,
            f"{stage}.save_steps": max(1, length // SAVES),
            f"{stage}.eval_steps": max(1, length // 3),
            f"{stage}.eval_tokens": min(EVALUATION["bits_per_byte_tokens"], settings.eval_tokens),
        }
    short |= {f"evaluate.{key}": min(most, getattr(recipe.evaluate, key)) for key, most in EVALUATION.items()}
    given = {word.partition("=")[0].strip() for word in words}
    return resolve(source, [*words, *(f"{path}={value}" for path, value in short.items() if path not in given)])


def plan(steps: int, kills: int, seed: int) -> list[Interruption]:
    """`kills` signals, each at a random place of its part of all `steps`."""
    chance = random.Random(seed)
    parts = [steps * number // max(kills, 1) for number in range(kills + 1)]
    places = [chance.randrange(start, max(start + 1, end)) for start, end in pairwise(parts)]
    return [Interruption(SIGNALS[number % len(SIGNALS)], place) for number, place in enumerate(places)]


def drill(
    resolved: Resolved, folder: Path, progress: Progress, kills: int, faults: str, tolerance: float
) -> dict[str, Any]:
    """Do it all in `folder`, which is new or empty. progress: told of (steps made by all runs, steps of all runs).

    faults: as HOLDFAST_FAULTS takes them, or without a place. tolerance: by which part a healed run may be worse.
    Returns plain data: what was interrupted, what each fault came to, and whether that proves the promises. Raises
    RecipeFault for what is no fault to inject; Fault when the folder is in use, or when a start that nothing but
    signals interfered with ends in a way that nothing explains.
    """
    lengths = [getattr(resolved.recipe, name).steps for name in trained(resolved.recipe)]
    wanted = placed(faults, min(lengths), resolved.recipe.seed)
    if folder.exists() and any(folder.iterdir()):
        raise Fault(f"{folder} is not empty", "name a new folder for the drill with --dir DIR")
    runs = Runs(resolved, folder, 1 + bool(kills) + len(wanted), progress)
    runs.unbroken()
    found: dict[str, Any] = {"folder": str(folder), "steps": runs.lengths, "planned": kills}
    started = time.monotonic()
    found |= _interrupted(runs, plan(sum(lengths), kills, resolved.recipe.seed))
    interrupted = time.monotonic()
    trials = [trial(runs, f"fault-{number}-{each.name}", each, tolerance) for number, each in enumerate(wanted, 1)]
    seconds = {UNBROKEN: runs.seconds, INTERRUPTED: interrupted - started, "faults": time.monotonic() - interrupted}
    return found | {
        "proved": _is_proved(found, trials),
        "faults": [each.to_dict() for each in trials],
        "seconds": seconds,
        "runs": {path.name: str(path) for path in sorted(folder.iterdir()) if path.is_dir()},
    }


def _is_proved(found: dict[str, Any], trials: Sequence[Trial]) -> bool:
    """Whether something was broken, and nothing that was promised of it."""
    unharmed = all(stage["equal"] for stage in found["stages"]) and found["scores_equal"]
    struck = bool(found["interruptions"]) or (bool(trials) and not found["planned"])
    return unharmed and struck and not any(each.broken for each in trials)


def _interrupted(runs: Runs, interruptions: Sequence[Interruption]) -> dict[str, Any]:
    """The run that is killed and stopped over and over; without interruptions there is none."""
    if not interruptions:
        return {"interruptions": [], "stages": [], "scores_equal": True}
    runs.share(INTERRUPTED)
    struck: list[Struck] = []
    for interruption in interruptions:
        code = _interrupt(runs, interruption)
        if code == ExitCode.DONE:  # all the same: there is nothing left to interrupt
            break
        struck.append(Struck(interruption.what, code, runs.made(INTERRUPTED), _saved(runs)))
    runs.finish(INTERRUPTED)
    return {
        "interruptions": [asdict(each) for each in struck],
        "stages": runs.compare(INTERRUPTED),
        "scores_equal": runs.same_scores(INTERRUPTED),
    }


def _interrupt(runs: Runs, interruption: Interruption) -> int:
    """One start that gets a signal. Returns its exit code; raises Fault for one that the signal does not explain."""
    sent = False
    with runs.started(INTERRUPTED, "") as process:
        while process.poll() is None:
            made = runs.look(INTERRUPTED)
            at_work = (holder(runs.dir(INTERRUPTED)) or {}).get("pid") == process.pid
            if not sent and at_work and made >= interruption.after:
                sent = True
                process.send_signal(signal.Signals[interruption.what])
    if process.returncode not in FORESEEN:
        raise runs.unforeseen(INTERRUPTED, process.returncode)
    return process.returncode


def _saved(runs: Runs) -> int:
    newest = {row["stage"]: row["step"] for row in listing(runs.dir(INTERRUPTED)) if row["verified"]}
    return sum(newest.values())
