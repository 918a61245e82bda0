"""Everything that training changes, in one place, and its way into and out of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from holdfast.base.faults import Fault
from holdfast.train.guard import GuardMemory
from holdfast.vault.manifest import Manifest


class Optimizer(Protocol):
    """What the loop needs of an optimizer. The learning rate is an argument of the step, never hidden in its state."""

    def zero_grad(self) -> None: ...
    def step(self, lr_scale: float) -> None: ...
    def state_tensors(self) -> dict[str, Tensor]: ...
    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None: ...
    def state_scalars(self) -> dict[str, Any]: ...
    def load_state_scalars(self, scalars: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class RunState:
    """The whole of a training stage between two steps.

    step:      updates applied so far.
    position:  index of the next batch; it runs ahead of `step` by the batches that were skipped.
    tokens:    input tokens of the applied batches.
    best:      lowest validation score seen, if any was measured.
    evaluated: step of the last validation or round of samples that lies behind this state.
    dirty:     True while the optimizer is at work: such a state must not be saved.
    compiled:  how the layers are compiled, see train/compiled.py.
    """

    model: nn.Module
    optimizer: Optimizer
    stage: str
    seed: int
    micro_batch_rows: int
    precision: str
    step: int = 0
    position: int = 0
    tokens: int = 0
    best: float | None = None
    evaluated: int | None = None
    guard: GuardMemory = field(default_factory=GuardMemory)
    dirty: bool = False
    compiled: str | None = None
    parameters: tuple[nn.Parameter, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.parameters = tuple(self.model.parameters())  # finding them takes as long as a small layer

    @property
    def device(self) -> torch.device:
        return self.parameters[0].device

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint stores as tensors, by part."""
        return {"model": dict(self.model.state_dict()), "optimizer": self.optimizer.state_tensors()}

    def fields(self) -> dict[str, Any]:
        """What a checkpoint stores in its manifest."""
        return {
            "stage": self.stage,
            "step": self.step,
            "tokens": self.tokens,
            "position": self.position,
            "micro_batch_rows": self.micro_batch_rows,
            "best": self.best,
            "evaluated": self.evaluated,
            "guard": self.guard.to_dict(),
            "optimizer": self.optimizer.state_scalars(),
        }

    def restore(self, manifest: Manifest, tensors: dict[str, dict[str, Tensor]]) -> None:
        """Become the state that was saved. Raises Fault, and changes nothing, when it is a state of something else."""
        _same_kind(self.model, tensors["model"])
        before = self.optimizer.state_scalars()
        try:
            GuardMemory.from_dict(manifest.guard)
            self.optimizer.load_state_scalars(dict(manifest.optimizer))
            self.optimizer.load_state_tensors(tensors["optimizer"])
        except (KeyError, TypeError, ValueError) as error:
            self.optimizer.load_state_scalars(before)
            raise Fault(
                f"the checkpoint is of another optimizer or guard: {error}",
                "resume with the recipe and the version the checkpoint was made with, or start in a new run directory",
            ) from error
        self.model.load_state_dict(tensors["model"])
        self.restore_fields(manifest)

    def restore_fields(self, manifest: Manifest) -> None:
        """Become the state that was saved, whose tensors are here already."""
        self.optimizer.load_state_scalars(dict(manifest.optimizer))
        self.step, self.tokens, self.position = manifest.step, manifest.tokens, manifest.position
        self.best, self.evaluated = manifest.best, manifest.evaluated
        self.guard = GuardMemory.from_dict(manifest.guard)
        self.precision = self.guard.precision or self.precision
        if self.guard.rows is not None:
            self.micro_batch_rows = min(self.micro_batch_rows, self.guard.rows)


def _same_kind(model: nn.Module, saved: dict[str, Tensor]) -> None:
    here = {name: _kind(tensor) for name, tensor in model.state_dict().items()}
    there = {name: _kind(tensor) for name, tensor in saved.items()}
    if here != there:
        odd = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
        raise Fault(
            f"the checkpoint is of another model: {odd[0]} is {there.get(odd[0])} there and {here.get(odd[0])} here",
            "resume with the recipe the checkpoint was made with, or start in a new run directory",
        )


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {tensor.dtype}"
