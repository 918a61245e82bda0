"""The runs of a drill: one that nobody disturbs, and others that begin with its text and are broken on purpose.

Everything is real: processes as a user starts them, faults inside them, signals from outside.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.base.faults import ExitCode, Fault
from holdfast.disk.files import read_json, write_text
from holdfast.disk.injection import VARIABLE
from holdfast.stages.inspection.checkpoints import difference
from holdfast.stages.inspection.status import status
from holdfast.stages.pipeline import NAMES
from holdfast.stages.recipe import Recipe, Resolved, dump, resolve
from holdfast.stages.resuming.choice import found_in
from holdfast.stages.run import IDENTITY
from holdfast.stages.stage import TRAINED

UNBROKEN = "unbroken"
FORESEEN = (ExitCode.DONE, ExitCode.STOPPED, ExitCode.DISK, -signal.SIGKILL)  # ends of a start that was interfered with
GLANCE = 0.1  # seconds between two looks at a run

Progress = Callable[[int, int | None], None]


class Runs:
    """Several runs in one folder. progress: told of (steps made by all of them, steps of all of them).

    lengths: steps of each stage that trains. count: how many runs there will be.
    seconds: that the unbroken run took.
    """

    def __init__(self, resolved: Resolved, folder: Path, count: int, progress: Progress) -> None:
        self.folder = folder
        self.lengths: dict[str, int] = {name: getattr(resolved.recipe, name).steps for name in trained(resolved.recipe)}
        self._resolved, self._progress = resolved, progress
        self.seconds = 0.0
        self._count = count
        self._begun: list[str] = []

    def dir(self, name: str) -> Path:
        """Where a run is."""
        return self.folder / name

    def unbroken(self) -> None:
        """The first run, from its text to its scores. Raises Fault when it does not get there."""
        write_text(self.folder / f"{UNBROKEN}.yaml", dump(self._resolved))
        self._begun.append(UNBROKEN)
        started = time.monotonic()
        self.finish(UNBROKEN)
        self.seconds = time.monotonic() - started

    def share(self, name: str, words: Sequence[str] = ()) -> None:
        """Begin another run where training begins, with the text of the first and the number format it chose.

        words: what it is to be set differently.
        """
        there, here = self.dir(UNBROKEN), self.dir(name)
        chosen = read_json(there / TRAINED[0] / "horizon.json")["precision"]
        resolved = resolve(self.folder / f"{UNBROKEN}.yaml", [f"precision={chosen}", *words])
        write_text(self.folder / f"{name}.yaml", dump(resolved))
        for stage in NAMES[: NAMES.index(TRAINED[0])]:
            shutil.copytree(there / stage, here / stage)
        shutil.copy(there / IDENTITY, here / IDENTITY)
        self._begun.append(name)

    def finish(self, name: str) -> None:
        """Bring a run to its end. Raises Fault when it comes to another one."""
        if (code := self.start(name, "")) != ExitCode.DONE:
            raise self.unforeseen(name, code)

    def start(self, name: str, faults: str, limit: float = math.inf) -> int | None:
        """One start of a run, with these faults inside, until it ends. Returns its exit code; None: it did not end
        within `limit` seconds, and was killed."""
        deadline = time.monotonic() + limit
        with self.started(name, faults) as process:
            while process.poll() is None and time.monotonic() < deadline:
                self.look(name)
            return process.returncode

    @contextmanager
    def started(self, name: str, faults: str) -> Iterator[subprocess.Popen[bytes]]:
        """`holdfast run` in a process of its own, which is not left behind."""
        recipe = self.folder / f"{name}.yaml"
        with self._process(faults, "run", str(recipe), "--run-dir", str(self.dir(name)), "--quiet") as process:
            yield process

    def replayed(self, name: str, faults: str) -> bool:
        """Whether `holdfast replay` comes to the same bits. faults: those that were in the data."""
        with self._process(faults, "replay", str(self.dir(name)), "--json") as process:
            return process.wait() == ExitCode.DONE

    @contextmanager
    def _process(self, faults: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        command, environment = [sys.executable, "-m", "holdfast", *words], os.environ | {VARIABLE: faults}
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()

    def look(self, name: str) -> int:
        """Wait a moment; returns the steps that a run has made, and shows them."""
        time.sleep(GLANCE)
        made, total = self.made(name), sum(self.lengths.values())
        self._progress(self._begun.index(name) * total + made, self._count * total)
        return made

    def made(self, name: str) -> int:
        """Steps that a run has made, over all stages."""
        try:
            now = status(self.dir(name))
        except Fault:  # it has not begun
            return 0
        done = sum(steps for stage, steps in self.lengths.items() if now["stages"][stage]["status"] == "done")
        return done + (now["step"] or 0 if now["stage"] in self.lengths else 0)

    def said(self) -> str:
        """All that the runs printed."""
        return self._log.read_text("utf-8", errors="replace") if self._log.exists() else ""

    def unforeseen(self, name: str, code: int | None) -> Fault:
        """The fault of a run that ended in a way that nothing explains."""
        return Fault(
            f"the {name} run ended with exit code {code}: {self.last_word()}", f"see {self._log}; all runs are kept"
        )

    def last_word(self) -> str:
        """The last error that a run printed, or its last line."""
        said = self.said().strip().splitlines()
        return next((line for line in reversed(said) if line.startswith("error:")), said[-1] if said else "no word")

    def compare(self, name: str) -> list[Mapping[str, Any]]:
        """Each stage of a run beside the unbroken one."""
        return [compare(self.dir(UNBROKEN), self.dir(name), stage) for stage in self.lengths]

    def same_scores(self, name: str) -> bool:
        """Whether the evaluation of a run gave what it gave for the unbroken one."""
        one, other = (read_json(self.dir(each) / "evaluate" / "scores.json") for each in (UNBROKEN, name))
        return bool(one == other)

    @property
    def _log(self) -> Path:
        return self.folder / "said.log"


def trained(recipe: Recipe) -> list[str]:
    """The stages of a recipe that train."""
    return [stage for stage in TRAINED if stage != "sft" or recipe.sft.enabled]


def compare(one: Path, other: Path, stage: str) -> Mapping[str, Any]:
    """Whether two runs ended a stage with the same model and the same optimizer, to the bit. Raises Damaged."""
    found = difference(found_in(one, stage, None).path, found_in(other, stage, None).path)
    return {"stage": stage, "equal": found["equal"], "digests": found["digests"]}
