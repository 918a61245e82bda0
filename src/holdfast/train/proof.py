"""Before the first step: evidence that training computes what its settings say, from a few rows of a real batch.

A setting that does nothing looks like one that works: an autocast around the wrong lines, a gradient that is never
cleared, micro-batches that are averaged wrongly, layers that are kept although they should be computed again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from holdfast.base.records import Batch
from holdfast.train.precision import FORMATS
from holdfast.train.state import RunState
from holdfast.train.step import gradients

ROWS = 4
THRIFT = 16  # times fewer tokens where layers that are usually computed again are kept for comparison
SAMPLE = 2**14  # gradients of one parameter that are compared; their length is that of all of them
LOWER = 16.0  # factor by which the loss scale of fp16 is lowered until the gradient is finite
# How far gradients may be apart that differ in the order of sums only, as a part of their length.
TOLERANCE = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 5e-2}
NAMES = {dtype: name for name, dtype in FORMATS.items()}
MEGABYTE = 1e6


class Recomputing(Protocol):
    """A model that can compute layers again in the backward pass instead of keeping what they computed."""

    recompute: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was observed.

    precision:      the number format that was asked for.
    products:       matrix products with weights, forward and backward, by the format they ran in.
    attention:      the same for the products inside attention, which may run in a wider format.
    loss, length:   mean nats, and the length of the gradient; neither is finite when one of their numbers is not.
    loss_scale:     what the loss was multiplied by.
    cleared:        whether gradients from before are gone when new ones are made.
    micro_batches:  parts that the rows were cut into; accumulation: how far the sum of their gradients is from the
                    gradient of all rows at once, as a part of its length.
    recompute:      the policy that was asked for; recomputed: how far its gradient is from the one without it.
    kept_bytes:     what was kept for the backward pass, besides weights; kept_without: the same without the policy.
    """

    precision: str
    products: Mapping[str, int]
    attention: Mapping[str, int]
    loss: float
    length: float
    loss_scale: float
    cleared: bool
    micro_batches: int
    accumulation: float
    recompute: str
    recomputed: float
    kept_bytes: int
    kept_without: int

    @property
    def failures(self) -> list[str]:
        """What does not hold, one line each."""
        most, attention = TOLERANCE[self.precision], set(self.attention) - {self.precision, "fp32"}
        finite = math.isfinite(self.length)
        sound = finite and self.length > 0 and self.cleared
        less = self.recompute == "none" or self.kept_bytes < self.kept_without
        checks = (
            (bool(self.products), "no matrix product was seen"),
            (set(self.products) <= {self.precision}, f"products ran in {_counts(self.products)}"),
            (not attention, f"those inside attention ran in {_counts(self.attention)}"),
            (math.isfinite(self.loss), "the loss is not finite"),
            (finite, "the gradient is not finite"),
            (self.length != 0, "the gradient is zero"),
            (self.cleared, "gradients from before are not cleared"),
            (
                not sound or self.accumulation <= most,
                f"{self.micro_batches} micro-batches are not one: {self.accumulation:.0e} apart",
            ),
            (
                not sound or self.recomputed <= most,
                f"recompute {self.recompute} changes the gradient: {self.recomputed:.0e} apart",
            ),
            (less, f"recompute {self.recompute} saves no memory"),
        )
        return [words for holds, words in checks if not holds]

    @property
    def words(self) -> str:
        """All of it in one line."""
        if self.failures:
            return f"precision {self.precision} is not proven: {'; '.join(self.failures)}"
        count = sum(self.products.values())
        parts = [f"precision {self.precision} is proven: {count} of {count} products ran in {self.precision}"]
        if set(self.attention) - {self.precision}:
            parts.append(f"those inside attention in {_counts(self.attention)}")
        parts.append("gradients finite")
        if self.micro_batches > 1:
            parts.append(f"{self.micro_batches} micro-batches equal one ({self.accumulation:.0e})")
        if self.recompute != "none":
            kept, without = self.kept_bytes / MEGABYTE, self.kept_without / MEGABYTE
            parts.append(f"recompute {self.recompute} keeps {kept:.3g} MB instead of {without:.3g} and changes nothing")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the journal; a number that is not finite has no JSON form and is told by its name."""
        plain = {
            name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }
        return plain | {"failures": self.failures}


def prove(state: RunState, batch: Batch, recompute: str) -> Proof:
    """Measure gradients of a few rows in several ways; weights, optimizer and random numbers stay as they are.

    batch: a real one; its tokens are used, cut so that they take less memory than one micro-batch of training does.
    recompute: the policy that the model should be under. No collective is called: any rank may do this by itself.
    """
    fewer = THRIFT if recompute != "none" else 1
    rows = _rows(batch, batch.inputs.shape[1] * state.micro_batch_rows // fewer)
    count = len(rows.inputs)
    with _undisturbed(state):
        state, seen = _in_range(replace(state, micro_batch_rows=count), rows)
        plain = seen
        if recompute != "none":
            with _policy(state.model, "none"):
                plain = _measure(state, rows)
        state.model.eval()  # without dropout, whose draws differ from micro-batch to micro-batch
        whole = _measure(state, rows)
        _spoil_gradients(state.model)
        parts = _measure(replace(state, micro_batch_rows=1), rows)
    return Proof(
        precision=state.precision,
        products=seen.products,
        attention=seen.attention,
        loss=seen.loss,
        length=seen.length,
        loss_scale=state.guard.loss_scale,
        cleared=math.isfinite(parts.length) or not math.isfinite(whole.length),
        micro_batches=count,
        accumulation=whole.distance(parts),
        recompute=recompute,
        recomputed=seen.distance(plain),
        kept_bytes=seen.kept_bytes,
        kept_without=plain.kept_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    products: dict[str, int]
    attention: dict[str, int]
    kept_bytes: int
    loss: float
    length: float
    lengths: Tensor
    samples: list[Tensor]

    def distance(self, other: _Measured) -> float:
        """How far two gradients are apart, as a part of this one's length; not finite when a number of them is not."""
        pairs = [(ours.double(), theirs.double()) for ours, theirs in zip(self.samples, other.samples, strict=True)]
        pairs.append((self.lengths, other.lengths))
        apart = sum(float((ours - theirs).square().sum()) for ours, theirs in pairs)
        length = sum(float(ours.square().sum()) for ours, _ in pairs)
        return math.sqrt(apart / length) if length else math.inf


def _rows(batch: Batch, most_tokens: int) -> Batch:
    """The first rows, cut to `most_tokens` in all. Every token is to be followed by the next, in other numbers of them
    from row to row: an average of averages is then something else than the average."""
    count = min(ROWS, len(batch.inputs))
    width = max(2, min(batch.inputs.shape[1], most_tokens // count))
    inputs = batch.inputs[:count, :width]
    trained = np.arange(inputs.shape[1])[None] < np.arange(1, count + 1)[:, None] * inputs.shape[1] / count
    segments = None if batch.segments is None else batch.segments[:count, :width]
    return Batch(inputs, np.where(trained, np.roll(inputs, -1, 1), -1), segments)


def _in_range(state: RunState, rows: Batch) -> tuple[RunState, _Measured]:
    """Measured under the highest loss scale, from the present one down, at which fp16 holds the gradient."""
    seen = _measure(state, rows)
    while state.precision == "fp16" and not math.isfinite(seen.length) and state.guard.loss_scale > 1:
        state = replace(state, guard=replace(state.guard, loss_scale=max(1.0, state.guard.loss_scale / LOWER)))
        seen = _measure(state, rows)
    return state, seen


def _measure(state: RunState, rows: Batch) -> _Measured:
    products, kept = _Products(), _Kept(state.model)
    with products, kept:
        report = gradients(state, rows)
    grads = [parameter.grad.detach() for parameter in state.model.parameters() if parameter.grad is not None]
    return _Measured(
        products=dict(products.weights),
        attention=dict(products.attention),
        kept_bytes=kept.bytes,
        loss=report.loss,
        length=report.grad_norm,
        lengths=torch.stack(torch._foreach_norm(grads)).double().cpu(),
        samples=[grad.flatten()[:: math.ceil(grad.numel() / SAMPLE)].to("cpu", copy=True) for grad in grads],
    )


def _spoil_gradients(model: nn.Module) -> None:
    """Whatever is left of them will show."""
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.fill_(math.nan)


class _Products(TorchDispatchMode):
    """Counts matrix products where they are handed to the device, below autocast, by the format of their factors."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: Counter[str] = Counter()
        self.attention: Counter[str] = Counter()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False, because skipping it would import it first, which takes longer than the whole proof."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("mm", "addmm"):
            self.weights[_format(args[1])] += 1
        elif name in ("bmm", "baddbmm") or "attention" in name:
            self.attention[_format(args[1])] += 1
        return func(*args, **(kwargs or {}))


class _Kept(saved_tensors_hooks):
    """Counts the bytes that autograd keeps, each storage once, without those of the model itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(self._pack, lambda tensor: tensor)
        self.bytes = 0
        self._known = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._known:
            self._known.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


@contextmanager
def _undisturbed(state: RunState) -> Iterator[None]:
    """Leave behind no gradient and no drawn random number, and the model in the mode it was in."""
    training, device = state.model.training, state.device
    devices = [] if device.type == "cpu" else [device.index or 0]
    with torch.random.fork_rng(devices, device_type="cuda" if device.type == "cpu" else device.type):
        try:
            yield
        finally:
            state.model.train(training)
            state.optimizer.zero_grad()


@contextmanager
def _policy(model: nn.Module, policy: str) -> Iterator[None]:
    recomputing = cast(Recomputing, model)
    before = recomputing.recompute
    recomputing.recompute = policy
    try:
        yield
    finally:
        recomputing.recompute = before


def _format(tensor: Tensor) -> str:
    return NAMES.get(tensor.dtype, str(tensor.dtype))


def _counts(products: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count} of {sum(products.values())})" for name, count in products.items())
