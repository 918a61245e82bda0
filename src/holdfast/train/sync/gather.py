"""Finding the other processes of a run, and how they are to work together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist
from torch._C._distributed_c10d import TCPStore
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from holdfast.base.faults import Fault
from holdfast.base.ranks import Place
from holdfast.train.sync.gang import POLL_SECONDS, Gang
from holdfast.train.sync.ranks import Alone
from holdfast.train.sync.team import Team

GATHER = timedelta(minutes=5)  # for all ranks to start
PATIENCE = timedelta(days=1)  # with a rank that is alive: the first one evaluates while the others wait


@contextmanager
def gather(
    place: Place, listens: int | None = None, check: Callable[[], None] = lambda: None
) -> Iterator[Alone | Gang]:
    """Find the other processes, at the address in MASTER_ADDR and MASTER_PORT. Raises Fault when they do not come.

    listens: the number of the socket at that address, which the first one may have opened already.
    check:   called while others are waited for; what it raises ends the waiting.
    """
    if place.world_size == 1:
        yield Alone()
        return
    try:
        store = _meeting_place(place, listens)
        store.set(f"here/{place.rank}", "")
        _wait_for_all(store, place.world_size, check)
        sums = PrefixStore("sums", store)
        dist.init_process_group("gloo", store=sums, rank=place.rank, world_size=place.world_size, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise Fault(
            f"the {place.world_size} processes of this run did not find each other: {why}",
            "start all of them with torchrun, or with the same MASTER_ADDR and MASTER_PORT",
        ) from error
    gang = (Team if place.local_world_size == place.world_size else Gang)(store, place.rank, place.world_size)
    try:
        yield gang
    finally:
        gang.part()


def _meeting_place(place: Place, listens: int | None) -> Store:
    """Where all leave their words: at the first process, or at a launcher that says so."""
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # torchrun's store outlives its processes
    if listens is None:
        store, _, _ = next(rendezvous("env://", rank=place.rank, world_size=place.world_size, timeout=GATHER))
    else:
        address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
        store = TCPStore(*address, None, True, GATHER, wait_for_workers=False, master_listen_fd=listens)
    return PrefixStore(f"attempt/{attempt}", store)


def _wait_for_all(store: Store, count: int, check: Callable[[], None]) -> None:
    """Raises RuntimeError when they do not come in time."""
    deadline = time.monotonic() + GATHER.total_seconds()
    while not store.check([f"here/{rank}" for rank in range(count)]):
        check()
        if time.monotonic() > deadline:
            raise RuntimeError("not all of them came")
        time.sleep(POLL_SECONDS)
