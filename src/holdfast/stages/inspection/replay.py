"""Make the training of a run again from its journal, and compare every step and the final state bit for bit.

Decisions are inputs: every step is made with the batch, the micro-batch, the number format and the rate that the
journal has for it, whatever is measured here, and where training went on under other settings it does so again. The run
itself is only read; what is made goes into a folder that is deleted afterwards.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from holdfast.base.faults import DiskFault, Fault, RecipeFault, Stopped
from holdfast.disk import injection
from holdfast.journal.journal import lineage, read
from holdfast.journal.sinks import Fanout
from holdfast.journal.sinks.bars import Progress, progress_bar
from holdfast.stages import assemble, pretrain, sft
from holdfast.stages.compiling import compiles
from holdfast.stages.horizon import Horizon, stored
from holdfast.stages.inspection.line import Line, Stretch, line_of
from holdfast.stages.pipeline import reopen
from holdfast.stages.resuming.choice import Choice, Wish, choose
from holdfast.stages.resuming.origin import differences, rebased
from holdfast.stages.run import JOURNAL, Run, Silence
from holdfast.stages.stage import TRAINED
from holdfast.stages.training import Lesson, exactness, fresh_state, training_of
from holdfast.train.loop import train
from holdfast.train.sabotage import Sabotage
from holdfast.train.saving import Cadence
from holdfast.train.signals import stop_on_signals
from holdfast.train.state import RunState
from holdfast.train.sync import Mimic
from holdfast.vault.manifest import Manifest
from holdfast.vault.store import Checkpoint, Vault
from holdfast.vault.verify import digests

COMPARED = ("loss", "grad_norm")
NO_SAVES = Cadence(save_steps=None, save_seconds=None, evaluate_steps=None, sample_steps=None)


class _Differs(Exception):
    """A step came out differently than the journal says."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step
        self.what = what


def replay(run_dir: Path, begin: str | None, work_dir: Path | None, quiet: bool) -> dict[str, Any]:
    """Replay every stage of a run that has a checkpoint, each up to its newest one.

    begin: [STAGE@]STEP of a checkpoint to begin with, for that stage only; None: each from its first step.
    Returns `equal`, and for each stage what was compared and the first difference. Raises RecipeFault when it can not
    begin there, DiskFault when nothing can be written in `work_dir` (None: beside the run).
    """
    recipe = reopen(run_dir).recipe
    choice = None if begin is None else _chosen(begin, run_dir)
    stages = TRAINED if choice is None else (choice.stage,)
    ends = {stage: end for stage in stages if (end := Vault(run_dir / stage).newest_valid()) is not None}
    if not ends:
        raise Fault(f"{run_dir} has no checkpoint to compare with", "let `holdfast run` train it first")
    journal = lineage(read(run_dir / JOURNAL))
    found = []
    with _folder(run_dir, work_dir) as folder, stop_on_signals() as stop:
        run = Run(run_dir, recipe, Silence(), Fanout([]), stop, quiet, time.monotonic())
        for stage, end in ends.items():
            line = line_of([each for each in journal if each.get("stage") == stage], end, recipe)
            try:
                found.append(_replayed(run, stage, line, _start(run_dir, stage, line, choice), folder))
            except Stopped:
                what = f"replay was stopped by {stop.reason}"
                raise Stopped(what, "run the same command again: it begins anew") from None
    return {"equal": all(each["equal"] for each in found), "stages": found}


def _chosen(begin: str, run_dir: Path) -> Choice:
    choice = choose(Wish(begin), run_dir, TRAINED, None)
    if choice is None or not choice.own:
        raise RecipeFault(f"{begin!r} is no checkpoint of {run_dir}", "write --from STEP or --from STAGE@STEP")
    return choice


@contextmanager
def _folder(run_dir: Path, work_dir: Path | None) -> Iterator[Path]:
    place = work_dir or run_dir.resolve().parent
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".replay-{run_dir.resolve().name}-", dir=place)
    except OSError as error:
        what = f"{place} can not be written: {error.strerror}"
        raise DiskFault(what, "choose a place with --work-dir DIR") from error
    with folder as path:
        yield Path(path)


def _start(run_dir: Path, stage: str, line: Line, choice: Choice | None) -> Checkpoint | None:
    """The checkpoint to begin with; None for the first state."""
    if choice is None and line.known == 0:
        return None
    there = [each for each in Vault(run_dir / stage).checkpoints() if line.known <= each.step < line.end.step]
    if choice is None:
        if first := [each for each in there if each.step == line.known]:
            return first[-1]
        cause = f"what {stage} was before step {line.known} is not on record, and there is no checkpoint of that step"
    elif line.known <= choice.checkpoint.step < line.end.step:
        return choice.checkpoint
    else:
        cause = f"{stage} can be replayed from steps {line.known} to {line.end.step - 1}"
    steps = ", ".join(str(each.step) for each in there)
    raise RecipeFault(cause, f"begin with --from {stage}@STEP: {steps}" if steps else "there is none to begin with")


def _replayed(run: Run, stage: str, line: Line, start: Checkpoint | None, folder: Path) -> dict[str, Any]:
    device = assemble.settle_machine(run.recipe)
    if (then := line.end.manifest.exactness).get("one_memory"):
        run = replace(run, ranks=Mimic(line.end.manifest.world_size))
        assemble.settle_process(then["threads"], kernels=run.recipe.kernels == "auto")
    first = 0 if start is None else start.step
    report: dict[str, Any] = {
        "stage": stage, "from_step": first, "to_step": line.end.step,
        "steps_compared": 0, "steps_unknown": 0, "skipped": 0,
        "equal": False, "difference": None, "digests": None, "exactness": None,
    }  # fmt: skip
    vault = Vault(folder / stage, 1)
    with progress_bar(f"replay {stage}", quiet=run.quiet) as progress:
        recorder = _Recorder(line, report, progress)
        state, rows = None, 0
        for stretch in line.stretches:
            here = replace(run, recipe=stretch.recipe)
            if stretch.last < first:
                continue
            lesson = _lesson(here, stage)
            fresh = _fresh(here, lesson, device, line.end.manifest)
            state = _carry_on(fresh, state, start, rows, lesson.feed.rows)
            rows = lesson.feed.rows
            try:
                _train(here, lesson, state, vault, stretch, line, recorder)
            except _Differs as differs:
                report["difference"] = {"step": differs.step, "what": differs.what}
                break
    assert state is not None, "a line has stretches, the last of which ends behind the start"
    report["skipped"] = line.skipped
    now = exactness(state, run.ranks.shares) | {"micro_batch_rows": state.micro_batch_rows}
    report["exactness"] = differences(line.end.manifest, now) or None
    return report if report["difference"] else _with_digests(report, line.end, vault)


class _Recorder:
    """What the loop records, compared with the journal."""

    def __init__(self, line: Line, report: dict[str, Any], progress: Progress) -> None:
        self._line, self._report, self._progress = line, report, progress

    def __call__(self, kind: str, **fields: Any) -> None:
        """Raises _Differs."""
        if kind != "step":
            return
        step = fields["step"]
        known = self._line.steps.get(step)
        if known is None:  # its record was lost; the steps behind it and the final state still tell
            self._report["steps_unknown"] += 1
            return
        for name in COMPARED:
            if known[name] != fields[name]:
                raise _Differs(step, f"{name} {known[name]!r} in the journal, {fields[name]!r} here")
        self._report["steps_compared"] += 1
        self._progress(step - self._report["from_step"], self._line.end.step - self._report["from_step"])


def _lesson(run: Run, stage: str) -> Lesson:
    return pretrain.lesson(run) if stage == "pretrain" else sft.lesson(run, sft.base_of(run))


def _fresh(run: Run, lesson: Lesson, device: torch.device, end: Manifest) -> RunState:
    """The first state, with the number format, the micro-batch and the compiled layers that `end` was made with."""
    horizon = replace(_horizon(run, lesson), precision=end.exactness.get("precision", "fp32"))
    fresh = fresh_state(run, lesson, device, horizon)
    fresh.micro_batch_rows = end.micro_batch_rows
    compiles(run, fresh, lesson.feed.batch_at(0), end.exactness.get("compiled"))
    return fresh


def _horizon(run: Run, lesson: Lesson) -> Horizon:
    horizon, _ = stored(run.dir / lesson.name)
    assert horizon is not None, "a stage with checkpoints has a horizon"
    return horizon


def _carry_on(fresh: RunState, before: RunState | None, start: Checkpoint | None, was: int, rows: int) -> RunState:
    """The state that a stretch begins with: the first one, that of a checkpoint, or where the stretch before ended."""
    if before is not None:
        fresh.restore(Manifest(incarnation=0, **before.fields()), before.tensors())
        fresh.position = rebased(fresh.position, was, rows)
    elif start is not None:
        fresh.restore(start.manifest, Vault(start.path.parents[1]).load(start))
    return fresh


def _train(
    run: Run, lesson: Lesson, state: RunState, vault: Vault, stretch: Stretch, line: Line, recorder: _Recorder
) -> None:
    if state.step >= stretch.last:
        return
    horizon = replace(_horizon(run, lesson), total_steps=stretch.horizon)
    training = training_of(run, lesson, state, vault, horizon)
    train(
        state,
        replace(
            training,
            total_steps=stretch.last,
            cadence=NO_SAVES,
            evaluate=list,
            sample=list,
            record=recorder,
            followed=line.steps,
            sabotage=Sabotage(fault for fault in injection.from_environment() if fault.name == "spike"),
        ),
    )


def _with_digests(report: dict[str, Any], end: Checkpoint, vault: Vault) -> dict[str, Any]:
    made = vault.newest_valid()
    assert made is not None, "the loop saves the end of what it trains"
    then, now = digests(end), digests(made)
    odd = [part for part in then if then[part] != now[part]]
    if odd:
        report["difference"] = {"step": end.step, "what": f"the {' and the '.join(odd)} of {end.path.name} differ"}
    return report | {"equal": not odd, "digests": {part: [then[part], now[part]] for part in then}}
