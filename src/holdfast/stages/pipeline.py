"""The pipeline: which stages there are, in which order, and running those that are not done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from holdfast.base.faults import Diverged, Fault, RecipeFault, Stopped
from holdfast.disk import fileops, injection
from holdfast.journal.journal import Journal
from holdfast.stages import corpus, evaluate, export, pretrain, report, sft, tokenizer, tokens
from holdfast.stages.deadline import seconds_left
from holdfast.stages.made import made
from holdfast.stages.planning.checks import require_ready
from holdfast.stages.processes import keep
from holdfast.stages.ranks import Started, follow, together
from holdfast.stages.recipe import Recipe, Resolved, resolve
from holdfast.stages.resuming.choice import AS_IT_IS, Wish
from holdfast.stages.resuming.review import Start, has_work, require_run, review
from holdfast.stages.run import JOURNAL, RECIPE, Run, check_recipe, disk_fault, identity, locked, prepare
from holdfast.stages.stage import Stage, Wanted, begin, end, is_done, make_room, read_record, wanted_of
from holdfast.stages.watch import watchers
from holdfast.train.signals import StopFlag, stop_on_signals
from holdfast.train.sync import Alone, Gang

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


def run(
    resolved: Resolved,
    run_dir: Path,
    *,
    until: str | None = None,
    quiet: bool = False,
    wish: Wish = AS_IT_IS,
    examine: bool = True,
    started: Started | None = None,
) -> bool:
    """Bring every stage up to `until` to done, continuing whatever is half done. False when there was nothing to do.

    wish: what to go on from, and what may be done about settings that changed.
    examine: find out first what is in the way of it, all at once.
    started: the other processes of the run; None: whoever started this one started them too, if there are any.

    Raises Unready, with everything that is in the way and before anything is written; RecipeFault, with the run as it
    was, when half-done work and the recipe do not fit together; the first Fault of a stage as it is; Stopped after a
    signal, with everything saved. Of several ranks only the first returns; the others raise SystemExit with its exit
    code.
    """
    wanted = _wanted_stages(resolved.recipe, until)
    with _together(run_dir, started) as ranks:
        require_run(run_dir, wish)
        if examine:
            require_ready(resolved.recipe, run_dir, [stage.name for stage in wanted])
        with locked(run_dir), _told_as_disk_fault(run_dir):
            start = review(wanted, resolved.recipe, run_dir, wish)
            prepare(run_dir, resolved)
            if not start.pending and (run_dir / report.JSON).exists():
                return False
            _lead(resolved, run_dir, wanted, start, quiet, ranks, started)
    return True


def join(run_dir: Path) -> NoReturn:
    """Be one of the processes of a run that are not the first. Raises SystemExit with the exit code of that one; what
    breaks in this one as it is."""
    with _together(run_dir):
        raise RuntimeError("the environment says that this is the first process of the run")


@contextmanager
def _together(run_dir: Path, started: Started | None = None) -> Iterator[Alone | Gang]:
    """The ranks of the run, for the first of them; the others stay in here."""
    with together(started) as ranks:
        if faults := injection.from_environment(ranks.rank):
            fileops.watch(injection.FileFaults(faults))
        if isinstance(ranks, Gang) and ranks.rank > 0:
            follow(ranks, run_dir, {stage.name: stage.work for stage in STAGES})
        yield ranks


def _lead(
    resolved: Resolved,
    run_dir: Path,
    wanted: list[Stage],
    start: Start,
    quiet: bool,
    ranks: Alone | Gang,
    started: Started | None,
) -> None:
    start.make_way()
    deadline = time.monotonic() + seconds_left(resolved.recipe.time_limit, time.time(), os.environ)
    with stop_on_signals(deadline) as stop, _opened(resolved, run_dir, stop, quiet, ranks) as context:
        context.choice = start.choice
        for note in start.notes:
            context.say(note)
        if started is not None and started.division.processes > 1 and keep(run_dir, started.division):
            context.say(started.division.words)
        try:
            _run_stages(context, wanted, start)
        except Diverged:
            report.write(run_dir)  # for whoever finds it halted
            raise
        report.write(run_dir)


@contextmanager
def _told_as_disk_fault(run_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise disk_fault(run_dir, error) from error


def reopen(run_dir: Path) -> Resolved:
    """The recipe of an existing run, as it was resolved then."""
    identity(run_dir)  # says so when this is no run
    check_recipe(run_dir)
    return resolve(run_dir / RECIPE, [])


def _wanted_stages(recipe: Recipe, until: str | None) -> list[Stage]:
    if until is not None and until not in NAMES:
        raise RecipeFault(f"there is no stage named {until}", f"name one of {', '.join(NAMES)}")
    stages = [stage for stage in STAGES if stage.wanted(recipe)]
    if until is None or until == "report":
        return stages
    return [stage for stage in stages if NAMES.index(stage.name) <= NAMES.index(until)]


def _result(folder: Path) -> str:
    record = read_record(folder)
    assert record is not None, "asked for the result of a stage that is not done"
    return str(record["facts"]["fingerprint"])


@contextmanager
def _opened(resolved: Resolved, run_dir: Path, stop: StopFlag, quiet: bool, ranks: Alone | Gang) -> Iterator[Run]:
    journal = Journal.open(run_dir / JOURNAL)
    sinks = watchers(run_dir, journal, quiet)
    context = Run(run_dir, resolved.recipe, journal, sinks, stop, quiet, time.monotonic(), ranks=ranks)
    try:
        context.record("event", event="start", incarnation=journal.incarnation, world_size=ranks.world_size)
        yield context
    finally:
        sinks.close()
        journal.close()


def _run_stages(context: Run, stages: list[Stage], start: Start) -> None:
    results: dict[str, str] = {}
    for stage in stages:
        folder = context.dir / stage.name
        wanted = wanted_of(stage, context.recipe, results)
        decision = start.decide(stage, folder, wanted)
        if decision.deed == "anew":
            for told in (decision.line(stage.name), make_room(stage, folder, wanted.fingerprint)):
                if told is not None:
                    context.say(told)
            if read_record(folder) is not None:  # what was set aside earlier has come back, finished or half done
                context.record("event", event="stage_back", stage=stage.name, fingerprint=wanted.fingerprint)
        if decision.deed in ("go on", "fork") or not is_done(stage, folder, wanted.fingerprint):
            _run_stage(context, stage, folder, wanted)
        results[stage.name] = _result(folder)
        if elsewhere := context.ranks.asked_to_stop():
            context.stop.ask(elsewhere)
        if context.stop:
            raise Stopped(
                f"stopped by {context.stop.reason} after {stage.name}, everything is saved",
                "run the same command again to go on from here",
            )


def _run_stage(context: Run, stage: Stage, folder: Path, wanted: Wanted) -> None:
    if not stage.resumes and folder.exists():
        fileops.remove_tree(folder)
    fileops.make_directory(folder)
    record = begin(folder, wanted)
    resumed = stage.resumes and (record["starts"] > 1 or has_work(folder))
    event = "stage_continue" if resumed else "stage_start"
    context.record("event", event=event, stage=stage.name, fingerprint=wanted.fingerprint)
    started = time.monotonic()
    try:
        facts = made(context, stage, wanted)
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
