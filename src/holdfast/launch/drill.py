"""Break a short version of a run on purpose, go on with it each time, and compare it with one that nobody disturbed.

Everything is real: processes as a user starts them, signals from outside, faults in the file operations. What is
drilled are the stages that train; the text is read and tokenized once, and both runs learn from it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from holdfast.base.faults import ExitCode, Fault
from holdfast.disk.files import read_json, write_text
from holdfast.disk.injection import INJECTED, VARIABLE, Injected, parse
from holdfast.stages.checkpoints import difference, listing
from holdfast.stages.choice import found_in
from holdfast.stages.pipeline import NAMES
from holdfast.stages.recipe import Recipe, Resolved, dump, resolve
from holdfast.stages.run import IDENTITY, holder
from holdfast.stages.stage import TRAINED
from holdfast.stages.status import status

UNBROKEN, INTERRUPTED = "unbroken", "interrupted"
SAVES = 6  # in each stage
EVALUATION = {"questions": 20, "max_tokens": 16, "bits_per_byte_tokens": 20_000}  # at most
SIGNALS = ("SIGKILL", "SIGTERM", "SIGKILL", "SIGINT", "SIGKILL", "SIGUSR1")  # in turn
FORESEEN = (ExitCode.DONE, ExitCode.STOPPED, ExitCode.DISK, -signal.SIGKILL)  # ends of a start that was interfered with
GLANCE = 0.1  # seconds between two looks at a run

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Interruption:
    """One that is planned. what: a signal's name, or a fault as HOLDFAST_FAULTS takes it.

    after: steps of the run, over all stages, that are made before a signal is sent.
    """

    what: str
    after: int | None = None


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


def trained(recipe: Recipe) -> list[str]:
    """The stages of a recipe that train."""
    return [stage for stage in TRAINED if stage != "sft" or recipe.sft.enabled]


def plan(steps: int, kills: int, faults: Sequence[Injected], seed: int) -> list[Interruption]:
    """`kills` signals, each at a random place of its part of all `steps`, then every fault in a start of its own."""
    chance = random.Random(seed)
    parts = [steps * number // max(kills, 1) for number in range(kills + 1)]
    places = [chance.randrange(start, max(start + 1, end)) for start, end in pairwise(parts)]
    signals = [Interruption(SIGNALS[number % len(SIGNALS)], place) for number, place in enumerate(places)]
    return signals + [Interruption(str(fault)) for fault in faults if not fault.poisons]


class Drill:
    """Two runs in one folder, which is new or empty. progress: told of (steps made by both, steps of both).

    lengths: steps of each stage that trains. struck: what took place so far.
    """

    def __init__(self, resolved: Resolved, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.lengths: dict[str, int] = {name: getattr(resolved.recipe, name).steps for name in trained(resolved.recipe)}
        self.struck: list[Struck] = []
        self._resolved, self._progress = resolved, progress
        self._poison = ""

    def run(self, kills: int, faults: str) -> dict[str, Any]:
        """Do it all. Returns plain data: what was interrupted, what is equal, and whether that proves the promise.

        Raises RecipeFault for what is no fault to inject; Fault when the folder is in use, or when a start ends in a
        way that nothing explains.
        """
        wanted = parse(faults)
        interruptions = plan(sum(self.lengths.values()), kills, wanted, self._resolved.recipe.seed)
        self._poison = ",".join(str(fault) for fault in wanted if fault.poisons)
        if self.folder.exists() and any(self.folder.iterdir()):
            raise Fault(f"{self.folder} is not empty", "name a new folder for the drill with --dir DIR")
        started = time.monotonic()
        write_text(self.folder / f"{UNBROKEN}.yaml", dump(self._resolved))
        self._go(UNBROKEN)
        alone = time.monotonic() - started
        self._share()
        for interruption in interruptions:
            if not self._interrupt(interruption):
                break
        self._go(INTERRUPTED)
        return self._verdict(len(interruptions), alone, time.monotonic() - started)

    def _share(self) -> None:
        """Begin the second run where training begins, with the text of the first and the number format it chose."""
        there, here = self.folder / UNBROKEN, self.folder / INTERRUPTED
        chosen = read_json(there / TRAINED[0] / "horizon.json")["precision"]
        resolved = resolve(self.folder / f"{UNBROKEN}.yaml", [f"precision={chosen}"])
        write_text(self.folder / f"{INTERRUPTED}.yaml", dump(resolved))
        for name in NAMES[: NAMES.index(TRAINED[0])]:
            shutil.copytree(there / name, here / name)
        shutil.copy(there / IDENTITY, here / IDENTITY)

    def _go(self, name: str) -> None:
        """Bring a run to its end."""
        with self._start(name, "") as process:
            while process.poll() is None:
                self._look(name)
        if process.returncode != ExitCode.DONE:
            raise self._unforeseen(name, process.returncode)

    def _interrupt(self, interruption: Interruption) -> bool:
        """One start that is interfered with. False when it came to its end all the same: there is nothing left."""
        sent = fault = "" if interruption.after is not None else interruption.what
        said_before = len(self._said())
        with self._start(INTERRUPTED, fault) as process:
            while process.poll() is None:
                made = self._look(INTERRUPTED)
                at_work = (holder(self.folder / INTERRUPTED) or {}).get("pid") == process.pid
                if interruption.after is not None and not sent and at_work and made >= interruption.after:
                    sent = interruption.what
                    process.send_signal(signal.Signals[sent])
        code = process.returncode
        if code not in FORESEEN:
            raise self._unforeseen(INTERRUPTED, code)
        if code != ExitCode.DONE or (fault and f"{INJECTED} {fault}" in self._said()[said_before:]):
            self.struck.append(Struck(interruption.what, code, self._made(INTERRUPTED), self._saved()))
        return code != ExitCode.DONE

    @contextmanager
    def _start(self, name: str, fault: str) -> Iterator[subprocess.Popen[bytes]]:
        """`holdfast run` in a process of its own, which is not left behind."""
        recipe, run_dir = self.folder / f"{name}.yaml", self.folder / name
        command = [sys.executable, "-m", "holdfast", "run", str(recipe), "--run-dir", str(run_dir), "--quiet"]
        environment = os.environ | {VARIABLE: ",".join(filter(None, (fault, self._poison)))}
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()

    @property
    def _log(self) -> Path:
        return self.folder / "said.log"

    def _said(self) -> str:
        return self._log.read_text("utf-8", errors="replace")

    def _unforeseen(self, name: str, code: int) -> Fault:
        said = self._said().strip().splitlines()
        last = next((line for line in reversed(said) if line.startswith("error:")), said[-1] if said else "no word")
        return Fault(f"the {name} run ended with exit code {code}: {last}", f"see {self._log}; both runs are kept")

    def _look(self, name: str) -> int:
        """Wait a moment; returns the steps that a run has made, and shows them."""
        time.sleep(GLANCE)
        made, total = self._made(name), sum(self.lengths.values())
        self._progress(made + (total if name == INTERRUPTED else 0), 2 * total)
        return made

    def _made(self, name: str) -> int:
        try:
            now = status(self.folder / name)
        except Fault:  # it has not begun
            return 0
        done = sum(steps for stage, steps in self.lengths.items() if now["stages"][stage]["status"] == "done")
        return done + (now["step"] or 0 if now["stage"] in self.lengths else 0)

    def _saved(self) -> int:
        newest = {row["stage"]: row["step"] for row in listing(self.folder / INTERRUPTED) if row["verified"]}
        return sum(newest.values())

    def _verdict(self, planned: int, alone: float, together: float) -> dict[str, Any]:
        runs = {name: self.folder / name for name in (UNBROKEN, INTERRUPTED)}
        stages = [compare(runs[UNBROKEN], runs[INTERRUPTED], stage) for stage in self.lengths]
        scores = [read_json(run_dir / "evaluate" / "scores.json") for run_dir in runs.values()]
        equal = all(stage["equal"] for stage in stages) and scores[0] == scores[1]
        return {
            "proved": equal and bool(self.struck),
            "folder": str(self.folder),
            "runs": {name: str(run_dir) for name, run_dir in runs.items()},
            "steps": self.lengths,
            "planned": planned,
            "interruptions": [asdict(each) for each in self.struck],
            "stages": stages,
            "scores_equal": scores[0] == scores[1],
            "seconds": {UNBROKEN: alone, INTERRUPTED: together - alone},
        }


def compare(one: Path, other: Path, stage: str) -> Mapping[str, Any]:
    """Whether two runs ended a stage with the same model and the same optimizer, to the bit. Raises Damaged."""
    found = difference(found_in(one, stage, None).path, found_in(other, stage, None).path)
    return {"stage": stage, "equal": found["equal"], "digests": found["digests"]}
