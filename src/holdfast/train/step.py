"""One training step, in two halves: measuring changes nothing, applying is the only thing that does."""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.base.draws import draw
from holdfast.base.records import Batch, Report
from holdfast.train.memory import OutOfMemory, out_of_memory, release
from holdfast.train.precision import autocast
from holdfast.train.sabotage import Sabotage
from holdfast.train.state import RunState
from holdfast.train.sync import Alone, Ranks

_MOST_PARTS = 2**20  # of one rank's share of a batch: keeps the draws of the ranks apart


class Objective(Protocol):
    """A model that can say how wrong it is: the sum over trained targets of -log p(target), in nats. The targets are in
    the host's memory, whatever the device."""

    def loss_sum(self, inputs: Tensor, targets: Tensor, segments: Tensor | None) -> Tensor: ...


def batch_loss(model: torch.nn.Module, batch: Batch, precision: str) -> Tensor:
    """Summed nats of a batch (or micro-batch) as a scalar tensor on the model's device."""
    device = next(model.parameters()).device
    segments = None if batch.segments is None else _tensor(batch.segments, device)
    with autocast(precision, device):
        objective = cast(Objective, model)
        targets = torch.from_numpy(np.ascontiguousarray(batch.targets))  # which of them count is found out here
        return objective.loss_sum(_tensor(batch.inputs, device), targets, segments)


def gradients(
    state: RunState,
    batch: Batch,
    trained: int | None = None,
    ranks: Ranks | None = None,
    sabotage: Sabotage | None = None,
) -> Report:
    """Fill the gradients of the mean loss over the batch's trained tokens, micro-batch by micro-batch.

    trained: trained tokens of the whole batch; None: all of them are in `batch`. ranks: who holds the other shares.

    Dividing by the whole batch's count, not each part's, makes the gradient independent of the micro-batch size and of
    the number of ranks, up to rounding. No weight and no optimizer state moves here, so a step can be judged, retried
    or dropped after it. Raises OutOfMemory, on all ranks, when it did not fit on one of them.
    """
    ranks, sabotage = ranks or Alone(), sabotage or Sabotage()
    trained = batch.trained_tokens if trained is None else trained
    state.optimizer.zero_grad()
    nats, short = 0.0, False
    try:
        for rank, part in ranks.parts(batch) if trained else ():
            nats += _accumulate(state, part, trained, rank, sabotage)
            ranks.keep(rank, list(state.model.parameters()))
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        short = True
    all_nats, tokens, any_short = ranks.total(nats, batch.inputs.size, short)
    if any_short:
        state.optimizer.zero_grad()
        release()
        raise OutOfMemory
    if trained:
        ranks.sum_gradients(list(state.model.parameters()))
        if state.guard.loss_scale != 1.0 and (grads := _grads(state)):
            torch._foreach_mul_(grads, 1 / state.guard.loss_scale)
    return Report(
        step=state.step,
        loss=all_nats / max(trained, 1),
        grad_norm=ranks.length(_grads(state)),
        tokens=int(tokens),
        trained_tokens=trained,
        micro_batch_rows=state.micro_batch_rows,
    )


def _accumulate(state: RunState, batch: Batch, trained: int, rank: int, sabotage: Sabotage) -> float:
    """Forward and backward for this rank's rows. Returns their nats, which are read once all work is under way: a GPU
    is not waited for in between."""
    nats: list[Tensor] = []
    number, scale = state.position + 1, state.guard.loss_scale
    for index, start in enumerate(range(0, len(batch.inputs), state.micro_batch_rows)):
        sabotage.memory(number)
        _seed(draw(state.seed, state.stage, state.position, rank * _MOST_PARTS + index, "dropout"), state.device)
        loss = batch_loss(state.model, batch.rows(start, start + state.micro_batch_rows), state.precision)
        mean = loss / trained
        (mean if scale == 1.0 else mean * scale).backward()
        nats.append(loss.detach())
        del loss, mean  # else what they were made of stays until the next micro-batch is through its forward pass
    sabotage.gradients(_grads(state), number)
    return sabotage.loss(sum(torch.stack(nats).tolist()), number)


def apply(state: RunState, report: Report, lr_scale: float, clip: float | None) -> None:
    """Clip to a global norm of `clip` and step the optimizer: the only place where weights move."""
    state.dirty = True
    if clip is not None and report.grad_norm > clip and (grads := _grads(state)):
        torch._foreach_mul_(grads, clip / report.grad_norm)
    state.optimizer.step(lr_scale)
    state.dirty = False


def _seed(seed: int, device: torch.device) -> None:
    """`torch.manual_seed` for the device in use. For those that are not there it would write down who asked, which
    takes as long as a small micro-batch."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def _grads(state: RunState) -> list[Tensor]:
    return [parameter.grad for parameter in state.parameters if parameter.grad is not None]


def _tensor(array: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)
