"""Looking after a stage of a run: the watchdog and the alarms that the recipe asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.journal.alarms import Watch, usual_speed
from holdfast.journal.earlier import latest_steps
from holdfast.journal.gauges import Gauges, gpu_memory
from holdfast.stages.run import JOURNAL, Run
from holdfast.train.lookout import Lookout
from holdfast.train.settings import TrainSettings
from holdfast.train.state import RunState
from holdfast.train.watchdog import watching


@contextmanager
def looked_after(run: Run, state: RunState, settings: TrainSettings) -> Iterator[Lookout]:
    """A lookout for as long as the block runs. Ranks that are not the first have a watchdog and no alarms."""
    alarms, journal = run.recipe.alarms, run.dir / JOURNAL
    rank, world_size = run.ranks.rank, run.ranks.world_size
    with watching(state.stage, journal, alarms, run.record, run.journal.commit, rank, world_size) as beat:
        if rank > 0:
            yield Lookout(beat)
            return
        size = sum(tensor.nbytes for named in state.tensors().values() for tensor in named.values())
        watch = Watch(alarms, state.stage, settings.save_steps, size, _usual_speed(run, state.stage))
        gpu = gpu_memory if state.device.type == "cuda" else None
        yield Lookout(beat, watch, Gauges(run.dir, gpu))


def _usual_speed(run: Run, stage: str) -> float | None:
    if run.recipe.alarms.throughput is None or run.journal.incarnation is None:
        return None
    return usual_speed(latest_steps(run.dir / JOURNAL, stage, run.journal.incarnation), stage)
