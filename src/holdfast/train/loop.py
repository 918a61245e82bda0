"""The one training loop, for every stage that trains. It calls down and gets values back; nothing calls up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from holdfast.base.faults import Diverged, Fault, Stopped
from holdfast.base.records import Batch, Report
from holdfast.train.due import between_steps, finish, rescue, stop_here
from holdfast.train.guard import Apply, GuardMemory, Retype, RollBack, Skip, Stop, Verdict, judge
from holdfast.train.memory import OutOfMemory
from holdfast.train.saving import Saves
from holdfast.train.state import RunState
from holdfast.train.step import apply, gradients
from holdfast.train.training import Training

AUDITED = ("loss", "grad_norm", "learning_rate", "tokens")  # what a step that is made again must have the same


@dataclass(frozen=True, slots=True)
class Back:
    """Training can not go on from here, only from an earlier checkpoint, one that carries `tag`.

    memory: of the guard, at `step` with the batch at `position` read.
    """

    reason: str
    tag: str
    memory: GuardMemory
    step: int
    position: int


def train(state: RunState, training: Training) -> Back | None:
    """Run `state` to `training.total_steps`, or to where it has to go back.

    Raises Stopped after saving, or Diverged with the last save intact.
    """
    saves = Saves(
        training.vault, training.policy, training.cadence, training.record, training.sync, state, training.sabotage
    )
    with closing(saves), _tiny_as_zero():
        if training.resumed_from is not None:
            saves.resumed(training.resumed_from, state)
        try:
            while state.step < training.total_steps and not state.guard.ended:
                wish = between_steps(state, training, saves)
                if (back := _advance(state, training, saves, wish)) is not None:
                    saves.drain()
                    return back
            finish(state, training, saves)
        except (Stopped, Diverged):
            saves.drain()
            raise
        except BaseException as failure:
            rescue(state, training, saves, failure)
            raise
    return None


@contextmanager
def _tiny_as_zero() -> Iterator[None]:
    """Numbers too small to be normal are taken as zero: with them a processor computes a hundred times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _advance(state: RunState, training: Training, saves: Saves, wish: RollBack | None) -> Back | None:
    """One batch: measure, judge, and if the verdict is so, learn. Stops before it when any rank was asked to.

    wish: to go back, of the rank that leads; all of them follow it.
    """
    training.lookout.beat("step")
    started = time.perf_counter()
    known = _take_up(state, training)
    number = state.position + 1
    batch = training.sabotage.batch(training.feed.batch_at(state.position), number)
    trained, going_back = _agree(state, training, saves, batch, wish)
    if state.guard.ended:
        return None
    if going_back:
        return _back(state, training, wish or RollBack("the first rank asks for it"), state.guard)
    try:
        report = gradients(state, batch, trained, training.ranks, training.sabotage)
    except OutOfMemory:
        _shrink(state, training, len(batch.inputs))
        return None
    if known is None:
        verdict, memory = judge(report, state.guard, training.rules, state.position, state.precision)
        factor = state.guard.factor(state.step) * training.sabotage.rate(number)
    else:
        verdict, memory, factor = Apply(), state.guard, known.get("lr_factor", 1.0)
    if isinstance(verdict, RollBack):
        return _back(state, training, verdict, memory)
    made_with = {"position": state.position, "lr_factor": factor, "micro_batch_rows": state.micro_batch_rows,
                 "precision": state.precision, "loss_scale": state.guard.loss_scale}  # fmt: skip
    _carry_out(verdict, state, training, report, factor)
    state.guard = memory
    if isinstance(verdict, Apply | Skip):
        state.position += 1  # before anything can fail: what is saved is whole
    if isinstance(verdict, Apply):
        seconds = time.perf_counter() - started
        _record_step(state, training, report, made_with, seconds)
        training.lookout.look(training.record, state.stage, step=state.step, saved=saves.durable_step, seconds=seconds,
                              tokens=report.tokens, loss=report.loss, save_seconds=saves.interval)  # fmt: skip
        _grow(state, training, len(batch.inputs))
        training.sabotage.between(state.step)
    return None


def _take_up(state: RunState, training: Training) -> Mapping[str, Any] | None:
    """Set the state to the next batch. Returns what is to be followed, where an earlier run is."""
    if training.followed is None:
        state.position = state.guard.past_jumps(state.position)
        return None
    known = training.followed.get(state.step + 1, {})
    state.position = known.get("position", state.position)
    state.micro_batch_rows = known.get("micro_batch_rows", state.micro_batch_rows)
    state.precision = known.get("precision", state.precision)
    state.guard = replace(state.guard, loss_scale=known.get("loss_scale", state.guard.loss_scale))
    return known


def _agree(state: RunState, training: Training, saves: Saves, batch: Batch, wish: RollBack | None) -> tuple[int, bool]:
    """Trained tokens of the whole batch, and whether to go back. What the leading rank decided holds for all."""
    decided = (state.guard.lr_factor, state.guard.ended, wish is not None) if training.leads else (0.0, 0, 0)
    trained, stop, factor, ended, back = training.ranks.total(batch.trained_tokens, bool(training.stop), *decided)
    if stop:
        stop_here(state, training, saves)
    if not training.leads:
        state.guard = replace(state.guard, lr_factor=factor, ended=bool(ended))
    return int(trained), bool(back)


def _carry_out(verdict: Verdict, state: RunState, training: Training, report: Report, factor: float) -> None:
    if not isinstance(verdict, Apply):  # decisions are written down before they take effect
        training.decide(state, type(verdict).__name__.lower(), verdict.reason, loss=report.loss,
                grad_norm=report.grad_norm)  # fmt: skip
    match verdict:
        case Apply():
            apply(state, report, training.multiplier(state.step) * factor, training.clip)
            state.step, state.tokens = state.step + 1, state.tokens + report.tokens
        case Retype(_, precision):
            state.precision = precision
        case Stop(reason):
            raise Diverged(
                f"{state.stage} halted at step {state.step}: {reason}",
                "the last checkpoint is sound; lower the learning rate or look at the data, then run again",
            )


def _back(state: RunState, training: Training, verdict: RollBack, memory: GuardMemory) -> Back:
    training.decide(state, "rollback", verdict.reason)
    return Back(verdict.reason, verdict.tag, memory, state.step, state.position)


def _shrink(state: RunState, training: Training, rows: int) -> None:
    """Take the same batch again in smaller parts. Raises Fault when a single row does not fit."""
    at_once = min(rows, state.micro_batch_rows)
    if at_once == 1:
        raise Fault(
            f"{state.stage} step {state.step + 1} does not fit into memory, not even one row at a time",
            "choose a smaller model.context_length or model.size, or close other programs",
        )
    half = at_once // 2
    training.decide(state, "shrink", f"memory ran out with {at_once} rows at once", micro_batch_rows=half)
    state.guard = replace(state.guard, rows=half, rows_since=state.step)
    state.micro_batch_rows = half


def _grow(state: RunState, training: Training, rows: int) -> None:
    """Try larger parts again, where that was asked for."""
    wait, limit = training.rules.grow_steps, state.guard.rows
    if wait is None or limit is None or state.step - state.guard.rows_since < wait:
        return
    more = min(2 * limit, rows)
    training.decide(state, "grow", f"{wait} steps fitted with {limit} rows at once", micro_batch_rows=more)
    state.guard = replace(state.guard, rows=more if more < rows else None, rows_since=state.step)
    state.micro_batch_rows = more


def _record_step(
    state: RunState, training: Training, report: Report, made_with: Mapping[str, Any], seconds: float
) -> None:
    measured = {
        "loss": report.loss,
        "learning_rate": training.learning_rate * training.multiplier(state.step - 1) * made_with["lr_factor"],
        "grad_norm": report.grad_norm,
        "tokens": state.tokens,
    }
    training.record("step", stage=state.stage, step=state.step, total_steps=training.total_steps, **measured,
                    **made_with, step_ms=seconds * 1000, tokens_per_second=report.tokens / seconds,
                    verdict="apply")  # fmt: skip
    _audit(state, training, measured)


def _audit(state: RunState, training: Training, made: Mapping[str, Any]) -> None:
    """Compare a step that an earlier start made already with what the journal says of it, bit for bit."""
    known = training.journaled.pop(state.step, None)
    if known is None:
        return
    if differs := [name for name in AUDITED if made[name] != known[name]]:
        training.journaled.clear()
        told = ", ".join(f"{name} {made[name]!r} instead of {known[name]!r}" for name in differs)
        text = (
            f"{state.stage}: step {state.step} came out differently than before the interruption: {told}; "
            "the run is no longer exact to the bit"
        )
        training.record("event", event="audit_failed", stage=state.stage, step=state.step, text=text)
    elif not training.journaled:
        text = f"{state.stage}: the steps that were made again came out the same to the bit"
        training.record("event", event="audited", stage=state.stage, step=state.step, text=text)
