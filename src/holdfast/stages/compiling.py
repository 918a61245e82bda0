"""Whether a stage trains with compiled layers: tried where the planned training is long enough to earn it back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from holdfast.base.records import Batch
from holdfast.disk.places import cache_folder
from holdfast.journal.metrics import words_for_seconds
from holdfast.model.documents import believe
from holdfast.stages.run import Run
from holdfast.train.compiled import compare, compile_layers, eager_seconds, give_up, shortfall
from holdfast.train.state import RunState

KEPT = "compiled"  # in the cache folder: what was compiled once takes seconds the next time
VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
# device -> seconds of planned training from which it is tried. A try takes 10 to 75 seconds: 1 % of a training this
# long on a CPU, where our own kernels leave a compiler little to gain; on a GPU there is much.
WORTH_TRYING = {"cpu": 2 * 3600.0, "cuda": 10 * 60.0}
MODES_TRIED = {"cpu": ("default",), "cuda": ("default", "reduce-overhead")}
USUAL = "default"
FASTER = 0.98  # of the time without, that what is kept takes at most: less is noise


def worth_trying(device: str, seconds: float) -> bool:
    """Whether a training of `seconds` earns a try back."""
    return seconds >= WORTH_TRYING.get(device, float("inf"))


def choose(run: Run, state: RunState, batch: Batch, planned: Callable[[float], float]) -> str | None:
    """The way to compile the layers that is fastest, None for not at all, tried on a state that is thrown away.

    planned: seconds of one micro-batch -> of the training to come. Called by all ranks, with the same outcome. What is
    faster is kept, however little it is: what the try took is spent by then. It is said in one line.
    """
    kind = state.device.type
    if not worth_trying(kind, planned(_mean(run, eager_seconds(state, batch)))):
        return None
    found: dict[str, float] = {}  # part of the time without that is saved
    started = time.perf_counter()
    for mode in MODES_TRIED[kind]:
        if not compiles(run, state, batch, mode):
            continue
        pace = compare(state, batch)
        eager, compiled = _mean(run, pace.eager), _mean(run, pace.compiled)
        if compiled < FASTER * eager:
            found[mode] = 1 - compiled / eager
    best = max(found, key=lambda mode: found[mode], default=None)
    took = words_for_seconds(time.perf_counter() - started)
    outcome = "nothing is gained" if best is None else f"{found[best]:.0%} of the time for gradients is saved ({best})"
    run.say(f"{state.stage}: compiled layers were tried for {took}: {outcome}")
    return best


def compiles(run: Run, state: RunState, batch: Batch, mode: str | None) -> bool:
    """Compile the layers, where `mode` says how. Where that can not be had on every rank, all do without, and the
    reason is said. Called by all ranks."""
    if mode is None:
        return False
    os.environ.setdefault(VARIABLE, str(cache_folder() / KEPT))
    if batch.segments is not None and state.device.type == "cuda" and (why := believe(state.device)) is not None:
        run.say(f"{state.stage}: a mask keeps documents apart, not blocks of one: {why}")
    compile_layers(state, mode)
    why = shortfall(state, batch) if run.ranks.rank == 0 else None
    run.ranks.total(0.0)  # the others wait, and find it in the cache: at the same time they would disturb each other
    why = shortfall(state, batch) if run.ranks.rank > 0 else why
    (short,) = run.ranks.total(why is not None)
    if short:
        give_up(state)
        run.say(f"{state.stage}: layers are not compiled: {why or 'another process could not'}")
    return not short


def _mean(run: Run, seconds: float) -> float:
    return run.ranks.total(seconds)[0] / run.ranks.world_size
