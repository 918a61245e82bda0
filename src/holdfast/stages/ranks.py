"""Several processes in one run. The first leads: it alone holds the lock, writes, measures and reports. The others
join it in the stages that train, read what these need, and touch no file.

However many there are, a run reads the same samples in the same order and makes the same steps, to the accuracy of
float32; to the bit only with as many as before. Dropout is drawn for each part of a batch that is computed at once, so
with it other masks fall when the number of processes, or the micro-batch, changes.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol

from holdfast.base.faults import Diverged, ExitCode, Fault, Stopped
from holdfast.base.ranks import place
from holdfast.journal.sinks import Fanout
from holdfast.stages.processes import Division
from holdfast.stages.recipe import resolve
from holdfast.stages.run import RECIPE, Run, Silence
from holdfast.train.signals import HANDLED, stop_on_signals
from holdfast.train.state import RunState
from holdfast.train.sync import Alone, Gang, Ranks, gather
from holdfast.train.sync import Lost as Lost
from holdfast.vault.manifest import Manifest

Works = Mapping[str, Callable[[Run], Any]]


class Started(Protocol):
    """The other processes of a run, when its first one started them itself.

    division: into how many, and why. listens: the number of the socket on which the first one hears them.
    """

    division: Division
    listens: int | None

    def check(self) -> None:
        """Raise Fault when one of them has ended that nobody told to."""
        ...


@contextmanager
def together(started: Started | None = None) -> Iterator[Alone | Gang]:
    """The ranks of this run. However the block ends in the first one, the others are told with which exit code."""
    hosting = () if started is None else (started.listens, started.check)
    with gather(place(), *hosting) as ranks:
        code = ExitCode.FAILED
        try:
            yield ranks
            code = ExitCode.DONE
        except Fault as fault:
            code = fault.code
            raise
        except KeyboardInterrupt:
            code = ExitCode.STOPPED
            raise
        finally:
            if ranks.world_size > 1:
                _keep_exit_code()
            if ranks.rank == 0:
                ranks.dismiss(code)


def follow(gang: Gang, run_dir: Path, works: Works) -> NoReturn:
    """Be a rank that is not the first: do the work of the stages it names, until it says with what code to leave.

    works: stage -> its work, which finds everything prepared by the first rank.
    Raises SystemExit; what breaks in this process as it is; Lost when another one is gone.
    """
    with stop_on_signals() as stop:
        gang.stop = stop
        try:
            while True:
                name = gang.share()
                recipe = resolve(run_dir / RECIPE).recipe  # as the first rank wrote it
                run = Run(run_dir, recipe, Silence(), Fanout([]), stop, True, time.monotonic(), ranks=gang)
                _work(run, works[name])
        except Lost:
            gang.leave()
            raise


def start_alike(ranks: Ranks, state: RunState) -> None:
    """Give every rank the first one's state, to the bit: it is the only one that reads and verifies checkpoints."""
    fields = ranks.share(state.fields())
    tensors = state.tensors()
    ranks.spread([tensor for part in sorted(tensors) for _, tensor in sorted(tensors[part].items())])
    if ranks.rank > 0:
        state.restore_fields(Manifest(incarnation=0, **fields))


def _work(run: Run, work: Callable[[Run], Any]) -> None:
    try:
        work(run)
    except (Stopped, Diverged):
        return  # all ranks end in this way; the first one, once it has saved, says what follows


def _keep_exit_code() -> None:
    """torchrun sends signals to the ranks that are still there as soon as one has left; nothing is left to stop."""
    for number in HANDLED:
        signal.signal(number, signal.SIG_IGN)
