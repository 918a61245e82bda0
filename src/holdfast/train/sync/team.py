"""Several processes of one run on one machine, which have their memory in common as far as training changes it.

There is one copy of the weights and of the optimizer's state, and the gradients of each rank lie where all see them.
The gradients of a share of the parameters are summed by the rank that steps it, so nothing travels; only the few
numbers on which all have to agree go over connections, where an end of a rank is noticed.

The memory has no name and no file (memfd_create(2)): whatever ends the processes ends it too, and unlike /dev/shm it is
limited by nothing but the memory of the machine.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from holdfast.train.sync.gang import Gang
from holdfast.train.sync.ranks import euclidean

ALIGNMENT = 64  # bytes: a line of the cache, and the widest vector register


class Team(Gang):
    """Several processes on one machine; a Gang for what is on no CPU, and where they do not see each other's memory."""

    _able: bool | None = None  # whether they can; not known yet
    _held = False
    _mine: frozenset[int] = frozenset()
    _sums: Mapping[int, Sequence[Tensor]] = {}

    def hold(self, tensors: Sequence[Tensor]) -> bool:
        """Move tensors into memory that all ranks see, with the first one's values. Views of a tensor that is moved
        must be asked for again. Raises MemoryError where there is not enough of it, Lost."""
        self._held = all(tensor.device.type == "cpu" for tensor in tensors) and self._can_hold()
        if not self._held:
            return False
        owners = list({id(owner): owner for owner in map(_owner, tensors)}.values())
        room = self._like(owners)
        if self.rank == 0:
            for tensor, there in zip(owners, room, strict=True):
                there.copy_(tensor.detach())
        self.meet()
        for tensor, there in zip(owners, room, strict=True):
            tensor.data = there
        return True

    def hold_gradients(self, parameters: Mapping[str, nn.Parameter], shares: Sequence[frozenset[str]]) -> None:
        """Have each rank's gradients where all see them: they are moved there as soon as they are complete."""
        each = list(parameters.values())
        room = self._like(each * self.world_size)
        slabs = [room[rank * len(each) : (rank + 1) * len(each)] for rank in range(self.world_size)]
        for parameter, place in zip(each, slabs[self.rank], strict=True):
            parameter.register_post_accumulate_grad_hook(_moving_to(place))
        self._mine = frozenset(id(parameters[name]) for name in shares[self.rank])
        self._sums = {id(parameter): parts for parameter, *parts in zip(each, *slabs, strict=True)}

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Sum this rank's share of the gradients, in the order of the ranks, and let go of the others."""
        if not self._held:
            super().sum_gradients(parameters)
            return
        mine = [each for each in parameters if each.grad is not None and id(each) in self._mine]
        sums, *others = zip(*(self._sums[id(each)] for each in mine), strict=True) if mine else ((),)
        for other in others:
            torch._foreach_add_(sums, other)
        for parameter in parameters:
            parameter.grad = None
        for parameter, total in zip(mine, sums, strict=True):
            parameter.grad = total

    def length(self, gradients: Sequence[Tensor]) -> float:
        """The length of all shares together."""
        own = euclidean(gradients)
        return math.sqrt(self.total(own**2)[0]) if self._held else own

    def spread(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the first rank's, unless all see the same one."""
        if not self._held:
            super().spread(tensors)

    def _can_hold(self) -> bool:
        if self._able is None:
            self._able = can_hold(self)
        return self._able

    def _like(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Memory that all ranks see, for tensors like these."""
        starts = [0, *accumulate(-(-tensor.nbytes // ALIGNMENT) * ALIGNMENT for tensor in tensors)]
        room = memory(self, starts[-1])
        return [
            torch.frombuffer(room, dtype=tensor.dtype, count=tensor.numel(), offset=start).view(tensor.shape)
            for tensor, start in zip(tensors, starts[:-1], strict=True)
        ]


def can_hold(gang: Gang) -> bool:
    """Whether all ranks of a gang can have memory in common; the same answer on all of them."""
    if not gang.share(_can_make()):
        return False
    token = bytes.fromhex(gang.share(os.urandom(16).hex()))
    try:
        room = memory(gang, mmap.PAGESIZE, token)
        sees = room[: len(token)] == token  # in another container the same number is that of another process
    except (OSError, ValueError):
        sees = False
    return gang.total(sees)[0] == gang.world_size


def memory(gang: Gang, size: int, first: bytes = b"") -> mmap.mmap:
    """Memory of `size` bytes that all ranks see, zeros but for its `first` ones. It is there for as long as somebody
    uses it. Raises MemoryError where there is not enough, OSError where another rank's memory is out of reach."""
    handle = _make(size) if gang.rank == 0 else -1
    place = gang.share(f"/proc/{os.getpid()}/fd/{handle}")
    try:
        handle = handle if gang.rank == 0 else os.open(place, os.O_RDWR | os.O_CLOEXEC)
        room = mmap.mmap(handle, size)
        if gang.rank == 0:
            room[: len(first)] = first
        return room
    finally:
        gang.meet()
        if handle >= 0:
            os.close(handle)


def _make(size: int) -> int:
    """A file in memory, without a name. All of it is allocated at once: later there is nobody to refuse it to."""
    handle = os.memfd_create("holdfast")
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        os.close(handle)
        raise MemoryError(f"{size} bytes for all processes of the run") from error
    return handle


def _can_make() -> bool:
    if not hasattr(os, "memfd_create"):  # Linux only
        return False
    try:
        os.close(_make(mmap.PAGESIZE))
    except (OSError, MemoryError):
        return False
    return True


def _owner(tensor: Tensor) -> Tensor:
    """The tensor whose memory this one shows."""
    return tensor if tensor._base is None else tensor._base


def _moving_to(place: Tensor) -> Callable[[Tensor], None]:
    """To be called when autograd has added to a gradient: the first time it is a tensor of its own, and moves."""

    def move(parameter: Tensor) -> None:
        if parameter.grad is not None and parameter.grad is not place:
            parameter.grad = place.copy_(parameter.grad)

    return move
