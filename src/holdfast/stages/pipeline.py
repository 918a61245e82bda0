"""The pipeline: which stages there are, in which order, and running those that are not done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.base.faults import Fault, RecipeFault, Stopped
from holdfast.journal.journal import Journal
from holdfast.stages import corpus, evaluate, export, pretrain, report, sft, tokenizer, tokens
from holdfast.stages.recipe import Recipe, Resolved, resolve
from holdfast.stages.run import JOURNAL, RECIPE, Run, disk_fault, identity, locked, prepare
from holdfast.stages.stage import Stage, begin, end, is_done, make_room, read_record, wanted_fingerprint
from holdfast.stages.watch import watchers
from holdfast.train.signals import StopFlag, stop_on_signals

STAGES: tuple[Stage, ...] = (
    corpus.STAGE,
    tokenizer.STAGE,
    tokens.STAGE,
    pretrain.STAGE,
    sft.STAGE,
    evaluate.STAGE,
    export.STAGE,
)
NAMES = (*(stage.name for stage in STAGES), "report")


def run(resolved: Resolved, run_dir: Path, *, until: str | None = None, quiet: bool = False) -> bool:
    """Bring every stage up to `until` to done, continuing whatever is half done. False when there was nothing to do.

    Raises the first Fault of a stage as it is; Stopped after a signal, with everything saved.
    """
    wanted = _wanted_stages(resolved.recipe, until)
    with locked(run_dir):
        prepare(run_dir, resolved)
        if _first_pending(wanted, resolved.recipe, run_dir) is None and (run_dir / report.JSON).exists():
            return False
        try:
            with stop_on_signals() as stop, _opened(resolved, run_dir, stop, quiet) as context:
                _run_stages(context, wanted)
                report.write(run_dir)
        except OSError as error:
            if error.errno is None:
                raise
            raise disk_fault(run_dir, error) from error
    return True


def reopen(run_dir: Path) -> Resolved:
    """The recipe of an existing run, as it was resolved then."""
    identity(run_dir)  # says so when this is no run
    return resolve(run_dir / RECIPE, [])


def _wanted_stages(recipe: Recipe, until: str | None) -> list[Stage]:
    if until is not None and until not in NAMES:
        raise RecipeFault(f"there is no stage named {until}", f"name one of {', '.join(NAMES)}")
    stages = [stage for stage in STAGES if stage.wanted(recipe)]
    if until is None or until == "report":
        return stages
    return [stage for stage in stages if NAMES.index(stage.name) <= NAMES.index(until)]


def _first_pending(stages: list[Stage], recipe: Recipe, run_dir: Path) -> Stage | None:
    results: dict[str, str] = {}
    for stage in stages:
        folder = run_dir / stage.name
        if not is_done(stage, folder, wanted_fingerprint(stage, recipe, results)):
            return stage
        results[stage.name] = _result(folder)
    return None


def _result(folder: Path) -> str:
    record = read_record(folder)
    assert record is not None, "asked for the result of a stage that is not done"
    return str(record["facts"]["fingerprint"])


@contextmanager
def _opened(resolved: Resolved, run_dir: Path, stop: StopFlag, quiet: bool) -> Iterator[Run]:
    journal = Journal.open(run_dir / JOURNAL)
    sinks = watchers(run_dir, journal, quiet)
    context = Run(run_dir, resolved.recipe, journal, sinks, stop, quiet, time.monotonic())
    try:
        context.record("event", event="start", incarnation=journal.incarnation)
        yield context
    finally:
        sinks.close()
        journal.close()


def _run_stages(context: Run, stages: list[Stage]) -> None:
    results: dict[str, str] = {}
    for stage in stages:
        folder = context.dir / stage.name
        wanted = wanted_fingerprint(stage, context.recipe, results)
        if not is_done(stage, folder, wanted):
            if told := make_room(stage, folder, wanted):
                context.say(told)
            if not is_done(stage, folder, wanted):  # what was set aside earlier may have come back finished
                _run_stage(context, stage, folder, wanted)
        results[stage.name] = _result(folder)
        if context.stop:
            raise Stopped(
                f"stopped by {context.stop.reason} after {stage.name}, everything is saved",
                "run the same command again to go on from here",
            )


def _run_stage(context: Run, stage: Stage, folder: Path, wanted: str) -> None:
    if not stage.resumes:
        _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = begin(folder, wanted)
    resumed = stage.resumes and record["starts"] > 1
    context.record("event", event="stage_continue" if resumed else "stage_start", stage=stage.name)
    started = time.monotonic()
    try:
        facts: Mapping[str, Any] = stage.work(context)
    except BaseException as failure:
        status = "stopped" if isinstance(failure, Stopped | KeyboardInterrupt) else "failed"
        cause = failure.cause if isinstance(failure, Fault) else repr(failure)
        end(folder, record, status, time.monotonic() - started, {"cause": cause, "code": getattr(failure, "code", 1)})
        context.record("event", event=f"stage_{status}", stage=stage.name, cause=cause)
        context.journal.commit()
        raise
    ended = end(folder, record, "done", time.monotonic() - started, facts)
    context.record("event", event="stage_done", stage=stage.name, wall_seconds=ended["wall_seconds"])
    context.journal.commit()


def _clear(folder: Path) -> None:
    """Empty a folder whose stage is made anew, deepest entries first."""
    if not folder.exists():
        return
    for path in sorted(folder.rglob("*"), key=lambda path: len(path.parts), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
