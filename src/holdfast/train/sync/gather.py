"""Finding the other processes of a run, and how they are to work together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from holdfast.base.faults import Fault
from holdfast.base.ranks import Place
from holdfast.train.sync.gang import Gang
from holdfast.train.sync.ranks import Alone
from holdfast.train.sync.team import Team

GATHER = timedelta(minutes=5)  # for all ranks to start
PATIENCE = timedelta(days=1)  # with a rank that is alive: the first one evaluates while the others wait


@contextmanager
def gather(place: Place) -> Iterator[Alone | Gang]:
    """Find the other processes, at the address in MASTER_ADDR and MASTER_PORT. Raises Fault when they do not come."""
    if place.world_size == 1:
        yield Alone()
        return
    try:
        store, rank, world = next(rendezvous("env://", timeout=GATHER))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")  # torchrun's store outlives its processes
        store = PrefixStore(f"attempt/{attempt}", store)
        store.set(f"here/{rank}", "")
        store.wait([f"here/{each}" for each in range(world)], GATHER)
        sums = PrefixStore("sums", store)
        dist.init_process_group("gloo", store=sums, rank=rank, world_size=world, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise Fault(
            f"the {place.world_size} processes of this run did not find each other: {why}",
            "start all of them with torchrun, or with the same MASTER_ADDR and MASTER_PORT",
        ) from error
    gang = (Team if place.local_world_size == world else Gang)(store, rank, world)
    try:
        yield gang
    finally:
        gang.part()
