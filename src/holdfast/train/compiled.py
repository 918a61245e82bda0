"""Layers that a compiler has rewritten: the same arithmetic with fewer passes over memory, sums in another order.

Each layer is compiled by itself. All of a kind share what was compiled for the first, so it takes seconds where a whole
model takes a minute, and weights keep their names ("regional compilation" in PyTorch's recipes, 2025). What is compiled
is used where gradients are made, see model/recompute.py; a measurement or a sample runs the layers as they are written.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import nn

from holdfast.base.records import Batch
from holdfast.train.memory import OutOfMemory
from holdfast.train.proof import TOLERANCE
from holdfast.train.state import RunState
from holdfast.train.step import gradients

# How -> what the compiler is told beyond its defaults. Random numbers are drawn as layers that are not compiled draw
# them, so that dropout takes the same places away.
MODES: dict[str, dict[str, Any]] = {"default": {}, "reduce-overhead": {"triton.cudagraphs": True}}
SAME_DRAWS = {"fallback_random": True}
PAIRS = 5  # micro-batches measured each way, in turns: a machine's pace changes more than what is measured


class Layered(Protocol):
    """A model with layers that are all called alike."""

    layers: Iterable[nn.Module]


@dataclass(frozen=True, slots=True)
class Pace:
    """Median seconds of the gradients of one micro-batch, with layers as they are written and compiled."""

    eager: float
    compiled: float


def compile_layers(state: RunState, mode: str, backend: str | Callable[..., Any] = "inductor") -> None:
    """Have the layers compiled, each shape when it comes up first. Raises KeyError for a mode there is not."""
    options = SAME_DRAWS | MODES[mode] if backend == "inductor" else None
    torch.compiler.set_stance("default")  # an earlier stage may have given up
    for layer in cast(Layered, state.model).layers:
        layer.compile(dynamic=False, backend=backend, options=options)
    state.compiled = mode


def as_written(state: RunState) -> AbstractContextManager[object]:
    """The context in which nothing compiled runs. Where nothing is, the compiler is not even loaded: it takes long."""
    return nullcontext() if state.compiled is None else torch.compiler.set_stance("force_eager")


def give_up(state: RunState) -> None:
    """Nothing compiled runs in this process from now on."""
    torch.compiler.set_stance("force_eager")
    state.compiled = None


def shortfall(state: RunState, batch: Batch) -> str | None:
    """Why training can not go on with compiled layers, in one line, found by a micro-batch; None where it can.

    What comes out must be what comes out without, to rounding: a compiler is believed when it has shown that. Weights
    and optimizer stay as they are.
    """
    rows = batch.rows(0, state.micro_batch_rows)
    try:
        made = gradients(state, rows)
        with as_written(state):
            wanted = gradients(state, rows)
    except OutOfMemory:
        return "memory ran out"
    except (RuntimeError, ImportError) as error:  # no compiler, one that fails, a system it does not know
        return f"{type(error).__name__}: {' '.join(str(error).split(chr(10))[:2]).strip()}"
    finally:
        state.optimizer.zero_grad()
    for name in ("loss", "grad_norm"):
        here, there = getattr(made, name), getattr(wanted, name)
        if not abs(here - there) <= TOLERANCE[state.precision] * abs(there):
            return f"{name} comes out as {here:.6g} instead of {there:.6g}"
    return None


def eager_seconds(state: RunState, batch: Batch) -> float:
    """Seconds of the gradients of one micro-batch, behind one that warms up."""
    with as_written(state):
        return [_seconds(state, batch) for _ in range(2)][1]


def compare(state: RunState, batch: Batch) -> Pace:
    """Both ways of one micro-batch, in turns, each warmed up by `shortfall`."""
    seconds: dict[str, list[float]] = {"eager": [], "compiled": []}
    for _ in range(PAIRS):
        with as_written(state):
            seconds["eager"].append(_seconds(state, batch))
        seconds["compiled"].append(_seconds(state, batch))
    return Pace(**{way: statistics.median(each) for way, each in seconds.items()})


def _seconds(state: RunState, batch: Batch) -> float:
    """`gradients` reads the loss back, so a GPU is through when it returns. Infinite where memory does not suffice."""
    started = time.perf_counter()
    try:
        gradients(state, batch.rows(0, state.micro_batch_rows))
    except OutOfMemory:
        return math.inf
    return time.perf_counter() - started
