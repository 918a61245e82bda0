"""Which of several processes this one is: what torchrun, or whoever started them, says in the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

from holdfast.base.faults import RecipeFault


@dataclass(frozen=True, slots=True)
class Place:
    """Number `rank` of the `world_size` processes of a run, `local_world_size` of them on this machine."""

    rank: int = 0
    world_size: int = 1
    local_world_size: int = 1


def place() -> Place:
    """From RANK, WORLD_SIZE and LOCAL_WORLD_SIZE; a process without the first two is alone.

    Raises RecipeFault when they contradict each other.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return Place()
    rank, world = _count("RANK"), _count("WORLD_SIZE")
    local = _count("LOCAL_WORLD_SIZE") if "LOCAL_WORLD_SIZE" in os.environ else world
    if not (rank < world and 1 <= local <= world):
        raise RecipeFault(f"RANK={rank}, WORLD_SIZE={world} and LOCAL_WORLD_SIZE={local} do not fit together", _REMEDY)
    return Place(rank, world, local)


_REMEDY = "let torchrun set these variables, or remove them to train in one process"


def _count(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal():
        raise RecipeFault(f"{name}={text!r} in the environment is no count of processes", _REMEDY)
    return int(text)
