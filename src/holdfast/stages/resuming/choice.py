"""Which checkpoint a start of a run is asked to go on from: auto, latest, best, STEP, STAGE@STEP, or a path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.base.faults import Fault, RecipeFault
from holdfast.disk.files import fingerprint
from holdfast.stages.stage import TRAINED
from holdfast.vault.checkpoint import find
from holdfast.vault.store import WEIGHTS, Checkpoint, Vault
from holdfast.vault.verify import verify

AUTO, LATEST, BEST = "auto", "latest", "best"
MOST_LISTED = 12  # steps of a stage that an error names

_STEP = re.compile(r"(?:(?P<stage>\w+)@)?(?P<step>\d+)")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a start was asked to do about the work that is there.

    source:       auto, latest, best, STEP, STAGE@STEP or a path.
    allow_change: training may go on under other settings of its trajectory.
    fresh:        half-done stages are begun anew, and what they had is kept in superseded/.
    """

    source: str = AUTO
    allow_change: bool = False
    fresh: bool = False

    @property
    def named(self) -> bool:
        """Whether it is about one checkpoint."""
        return self.source not in (AUTO, LATEST)


AS_IT_IS = Wish()


@dataclass(frozen=True, slots=True)
class Choice:
    """The checkpoint that a stage is to go on from, verified. own: it is this run's, else it is copied.

    allow_change: see Wish; whether a foreign one fits shows only when its stage begins.
    """

    stage: str
    checkpoint: Checkpoint
    own: bool
    allow_change: bool = False


def choose(wish: Wish, run_dir: Path, stages: Sequence[str], pending: str | None) -> Choice | None:
    """The checkpoint that `wish` names, or None for the newest one of each stage as it is.

    stages:  those that train, in order. pending: the first of them that is not done; None when all are.
    Raises RecipeFault, listing what there is, when there is no such checkpoint, and Fault when it is damaged.
    """
    if wish.source == AUTO:
        return None
    if wish.source == LATEST:
        if not any(Vault(run_dir / stage).checkpoints() for stage in stages):
            raise _nothing(f"{run_dir} has no checkpoint", run_dir, stages)
        return None
    here = [pending] if pending is not None else list(reversed(stages))
    if wish.source == BEST:
        choice = _best(run_dir, stages, here)
    elif (match := _STEP.fullmatch(wish.source)) is not None:
        asked = [match["stage"]] if match["stage"] else here
        choice = _at_step(run_dir, stages, asked, int(match["step"]))
    else:
        choice = _at_path(run_dir, stages, Path(wish.source))
    if (why := verify(choice.checkpoint)) is not None:
        raise Fault(f"{choice.checkpoint.path} is damaged: {why}", _there_are(run_dir, stages))
    return Choice(choice.stage, choice.checkpoint, choice.own, wish.allow_change)


def _best(run_dir: Path, stages: Sequence[str], here: Sequence[str]) -> Choice:
    for stage in here:
        if (best := Vault(run_dir / stage).newest(BEST)) is not None:
            return Choice(stage, best, own=True)
    raise _nothing(f"{run_dir} has no best checkpoint of {' or '.join(here)}", run_dir, stages)


def _at_step(run_dir: Path, stages: Sequence[str], here: Sequence[str], step: int) -> Choice:
    """The newest one of that step: a step can have been made in several starts."""
    for stage in here:
        everything = Vault(run_dir / stage).everything() if stage in stages else []
        there = [checkpoint for checkpoint in everything if checkpoint.step == step]
        if whole := [checkpoint for checkpoint in there if not checkpoint.weights_only]:
            return Choice(stage, whole[-1], own=True)
        if there:
            raise _only_weights(there[-1], stage)
    raise _nothing(f"{run_dir} has no checkpoint of {' or '.join(here)} at step {step}", run_dir, stages)


def _at_path(run_dir: Path, stages: Sequence[str], path: Path) -> Choice:
    checkpoint = checkpoint_at(path)
    if checkpoint is None:
        raise _nothing(
            f"{str(path)!r} is neither auto, latest, best, a step nor a checkpoint's folder", run_dir, stages
        )
    for stage in stages:  # the same one by the name under which the run knows it
        for known in Vault(run_dir / stage).everything():
            if known.path.resolve() == checkpoint.path.resolve():
                return _at_step_of(known, stage, own=True)
    stage = checkpoint.manifest.stage
    if stage not in stages:
        raise RecipeFault(
            f"{path} is a checkpoint of stage {stage!r}, which this run does not train",
            f"name one of {' or '.join(stages)}",
        )
    return _at_step_of(checkpoint, stage, own=False)


def _at_step_of(checkpoint: Checkpoint, stage: str, *, own: bool) -> Choice:
    if checkpoint.weights_only:
        raise _only_weights(checkpoint, stage)
    return Choice(stage, checkpoint, own)


def located(where: str, stage: str | None = None) -> Checkpoint:
    """The checkpoint that RUN, RUN:STAGE, RUN:STAGE@STEP or the path of its folder names, weights only or not.

    stage: the one that is meant where none is named; None: the last that has a checkpoint. Without a step it is the
    newest. It is not verified here. Raises RecipeFault, naming what there is.
    """
    if (checkpoint := checkpoint_at(Path(where))) is not None:
        return checkpoint
    run_dir, named, step = split(where)
    return found_in(run_dir, named, step, stage)


def found_in(run_dir: Path, named: str | None, step: int | None, stage: str | None = None) -> Checkpoint:
    """`located`, for a name in parts."""
    there = [name for name in TRAINED if Vault(run_dir / name).everything()]
    wanted = named or (stage if stage in there else None) or (there[-1] if there else None)
    found = [each for each in Vault(run_dir / (wanted or "")).everything() if step in (None, each.step)]
    if wanted is None or not found:
        at = "" if step is None else f" at step {step}"
        what = f"{run_dir} has no checkpoint{' of ' + named if named else ''}{at}"
        raise _nothing(what, run_dir, TRAINED, "give the folder of a run that has trained")
    return next((each for each in reversed(found) if not each.weights_only), found[-1])


def split(where: str) -> tuple[Path, str | None, int | None]:
    """`RUN:STAGE@STEP` in parts. A folder that exists under the whole name is taken as that."""
    if Path(where).is_dir():
        return Path(where), None, None
    run_dir, _, place = where.rpartition(":") if ":" in where else (where, "", "")
    stage, at, step = place.partition("@")
    if at and not step.isdecimal():
        raise RecipeFault(f"{step!r} is not a step", "write RUN:STAGE@STEP, such as runs/demo:pretrain@200")
    return Path(run_dir), stage or None, int(step) if step else None


def weights_fingerprint(checkpoint: Checkpoint) -> str:
    """A hash of the file that holds a checkpoint's weights, from its manifest: equal weights make equal files."""
    record = checkpoint.manifest.files.get(WEIGHTS)
    return fingerprint([] if record is None else list(record.chunks))


def checkpoint_at(path: Path) -> Checkpoint | None:
    """The checkpoint whose folder `path` is, or None. Creates nothing."""
    path = path.absolute()
    return next((found for found in find(path.parent) if found.path.name == path.name), None)


def too_short(stage: str, reached: int, total: int) -> RecipeFault:
    """Training can not go on to a step that lies behind it."""
    return RecipeFault(
        f"{stage} is at step {reached} and would end at step {total}",
        f"go back to an earlier checkpoint with --resume {stage}@STEP, or let it train for longer",
    )


def _only_weights(checkpoint: Checkpoint, stage: str) -> RecipeFault:
    return RecipeFault(
        f"{checkpoint.path} holds weights only, so {stage} can not go on from it",
        f"a new run can start from these weights: pretrain.init_from={checkpoint.path}",
    )


def _nothing(
    what: str, run_dir: Path, stages: Sequence[str], otherwise: str = "leave --resume away to begin"
) -> RecipeFault:
    return RecipeFault(what, _there_are(run_dir, stages) or otherwise)


def _there_are(run_dir: Path, stages: Sequence[str]) -> str:
    """What can be gone on from, in a line; empty when there is nothing."""
    listed = []
    for stage in stages:
        steps = sorted({checkpoint.step for checkpoint in Vault(run_dir / stage).checkpoints()})
        if steps:
            more = ["..."] if len(steps) > MOST_LISTED else []
            listed.append(f"{stage}@{', '.join([*more, *map(str, steps[-MOST_LISTED:])])}")
    return f"there are {'; '.join(listed)}; see holdfast ckpt list {run_dir}" if listed else ""
