"""Several processes of one run, wherever they are: what they tell each other travels over connections (gloo)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import Store

from holdfast.base.faults import Fault
from holdfast.base.records import Batch
from holdfast.train.signals import StopFlag
from holdfast.train.sync.ranks import euclidean

POLL_SECONDS = 0.05
FAREWELL_SECONDS = 3.0  # for the last word to reach the others; one that was killed never hears it
BUCKET_NUMBERS = 2**24  # in one collective: 64 MB


class Lost(Fault):
    """A rank is gone, so the others can not go on."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this run is gone",
            "its own last lines say why; run the same command again to go on from what is saved",
        )


class Gang:
    """Several processes, one of them first. Made by `gather`.

    stop: whether this rank was asked to stop; the first rank is told while this one waits for its word.
    """

    def __init__(self, store: Store, rank: int, world_size: int) -> None:
        self.rank = rank
        self.world_size = world_size
        self.shares = world_size
        self.mine: Sequence[int] = (rank,)
        self.stop = StopFlag()
        self._store = store
        self._words = 0
        self._bucket = torch.empty(0)

    def parts(self, batch: Batch) -> Sequence[tuple[int, Batch]]:
        """This rank's rows: it read no others."""
        return [(self.rank, batch)]

    def keep(self, rank: int, parameters: Sequence[Tensor]) -> None:
        """They stay where they are."""

    def total(self, *values: float) -> tuple[float, ...]:
        """Each of `values` summed in float64 over all ranks, in their order, the same on all of them. Raises Lost."""
        each = torch.zeros(self.world_size, len(values), dtype=torch.float64)
        each[self.rank] = torch.tensor(values, dtype=torch.float64)
        with noticing_loss():
            dist.all_reduce(each)
        return tuple(sum(column) for column in zip(*each.tolist(), strict=True))

    def meet(self) -> None:
        """Return when all ranks are here. Raises Lost."""
        self.total(0)

    def hold(self, tensors: Sequence[Tensor]) -> bool:
        """Over connections nothing is held in common."""
        return False

    def hold_gradients(self, parameters: Mapping[str, nn.Parameter], shares: Sequence[frozenset[str]]) -> None:
        """Over connections nothing is held in common."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Replace the gradients by their sums over all ranks, on all of them. Raises Lost."""
        self.add_up([parameter.grad for parameter in parameters if parameter.grad is not None])

    def length(self, gradients: Sequence[Tensor]) -> float:
        """Their length: every rank has all of them."""
        return euclidean(gradients)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks, taken in float32: the same bits on all of them. Raises Lost.

        Many tensors travel in one flat bucket, whose memory is kept from step to step.
        """
        for group in _bucketfuls(tensors):
            sizes = [tensor.numel() for tensor in group]
            bucket = self._room(sum(sizes), group[0].device)
            pieces = [piece.view(tensor.shape) for piece, tensor in zip(bucket.split(sizes), group, strict=True)]
            torch._foreach_copy_(pieces, group)
            with noticing_loss():
                dist.all_reduce(bucket)
            torch._foreach_copy_(group, pieces)

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the first rank's, to the bit. Raises Lost."""
        for tensor in tensors:
            with noticing_loss():
                dist.broadcast(tensor, 0)

    def share(self, word: Any = None) -> Any:
        """The first rank's `word`, a JSON value, on all ranks, however long it takes the first one to have it.

        Raises SystemExit with the first rank's exit code when that has ended instead, Lost when it is gone.
        """
        if self.rank > 0:
            return self._hear()
        self._say({"word": word})
        return word

    def asked_to_stop(self) -> str | None:
        """For the first rank: how a rank that waits for it was asked to stop, if one was. Raises Lost."""
        with noticing_loss():
            return self._store.get("stop").decode() if self._store.check(["stop"]) else None

    def dismiss(self, code: int) -> None:
        """The first rank's last word: all others leave with this exit code, wherever they are."""
        with suppress(Lost):  # whoever is gone by now needs no word
            self._say({"exit": code})
            self.part()  # wakes those that wait in a collective
            deadline = time.monotonic() + FAREWELL_SECONDS  # the store may live in this process
            with noticing_loss():
                while self._store.add("heard", 0) < self.world_size - 1 and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)

    def leave(self) -> None:
        """For a rank that lost another: let go of the rest, and leave as the first rank says, if it still does.

        Raises SystemExit, or Lost.
        """
        self.part()
        self._hear(FAREWELL_SECONDS)

    def part(self) -> None:
        """Close the connections of the collectives; twice is harmless."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def _say(self, message: dict[str, Any]) -> None:
        with noticing_loss():
            self._store.set(f"word/{self._words}", json.dumps(message))
        self._words += 1

    def _hear(self, patience: float = float("inf")) -> Any:
        key, deadline = f"word/{self._words}", time.monotonic() + patience
        with noticing_loss():
            while not self._store.check([key]):
                if self.stop:
                    self._store.set("stop", self.stop.reason or "")
                if time.monotonic() >= deadline:
                    raise Lost
                time.sleep(POLL_SECONDS)
            message = json.loads(self._store.get(key))
            self._words += 1
            if "exit" in message:
                self._store.add("heard", 1)
                raise SystemExit(message["exit"])
        return message["word"]

    def _room(self, numbers: int, device: torch.device) -> Tensor:
        if len(self._bucket) < numbers or self._bucket.device != device:
            self._bucket = torch.empty(numbers, dtype=torch.float32, device=device)
        return self._bucket[:numbers]


@contextmanager
def noticing_loss() -> Iterator[None]:
    """What torch raises when a connection breaks, as a Fault."""
    try:
        yield
    except RuntimeError as error:
        raise Lost from error


def _bucketfuls(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The tensors in their order, in groups of at most BUCKET_NUMBERS; a larger one by itself."""
    group: list[Tensor] = []
    numbers = 0
    for tensor in tensors:
        if group and numbers + tensor.numel() > BUCKET_NUMBERS:
            yield group
            group, numbers = [], 0
        group.append(tensor)
        numbers += tensor.numel()
    if group:
        yield group
