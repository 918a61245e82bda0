"""One training step, in two halves: measuring changes nothing, applying is the only thing that does."""

from __future__ import annotations

from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.base.draws import draw
from holdfast.base.records import Batch, Report
from holdfast.train.precision import autocast
from holdfast.train.state import RunState
from holdfast.train.sync import Alone, Ranks

_MOST_PARTS = 2**20  # of one rank's share of a batch: keeps the draws of the ranks apart


class Objective(Protocol):
    """A model that can say how wrong it is: the sum over trained targets of -log p(target), in nats."""

    def loss_sum(self, inputs: Tensor, targets: Tensor, segments: Tensor | None) -> Tensor: ...


def batch_loss(model: torch.nn.Module, batch: Batch, precision: str) -> Tensor:
    """Summed nats of a batch (or micro-batch) as a scalar tensor on the model's device."""
    device = next(model.parameters()).device
    segments = None if batch.segments is None else _tensor(batch.segments, device)
    with autocast(precision, device):
        objective = cast(Objective, model)
        return objective.loss_sum(_tensor(batch.inputs, device), _tensor(batch.targets, device), segments)


def gradients(state: RunState, batch: Batch, trained: int | None = None, ranks: Ranks | None = None) -> Report:
    """Fill the gradients of the mean loss over the batch's trained tokens, micro-batch by micro-batch.

    trained: trained tokens of the whole batch; None: all of them are in `batch`. ranks: who holds the other shares.

    Dividing by the whole batch's count, not each part's, makes the gradient independent of the micro-batch size and of
    the number of ranks, up to rounding. No weight and no optimizer state moves here, so a step can be judged, retried
    or dropped after it.
    """
    state.optimizer.zero_grad()
    ranks = ranks or Alone()
    trained = batch.trained_tokens if trained is None else trained
    nats = torch.zeros((), dtype=torch.float64)
    if trained:
        for index, start in enumerate(range(0, len(batch.inputs), state.micro_batch_rows)):
            place = ranks.rank * _MOST_PARTS + index
            _seed(draw(state.seed, state.stage, state.position, place, "dropout"), state.device)
            part = batch.rows(start, start + state.micro_batch_rows)
            loss = batch_loss(state.model, part, state.precision)
            (loss / trained).backward()
            nats += loss.detach().double().cpu()
        ranks.add_up(_grads(state))
    all_nats, tokens = ranks.total(float(nats), batch.inputs.size)
    return Report(
        step=state.step,
        loss=all_nats / max(trained, 1),
        grad_norm=_grad_norm(state),
        tokens=int(tokens),
        trained_tokens=trained,
        micro_batch_rows=state.micro_batch_rows,
    )


def apply(state: RunState, report: Report, lr_scale: float, clip: float | None) -> None:
    """Clip to a global norm of `clip` and step the optimizer: the only place where weights move."""
    state.dirty = True
    if clip is not None and report.grad_norm > clip:
        torch._foreach_mul_(_grads(state), clip / report.grad_norm)
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


def _grad_norm(state: RunState) -> float:
    grads = _grads(state)
    if not grads:
        return 0.0
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))))


def _grads(state: RunState) -> list[Tensor]:
    return [parameter.grad for parameter in state.model.parameters() if parameter.grad is not None]


def _tensor(array: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)
