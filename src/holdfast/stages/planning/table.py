"""Which named size trains on which memory, worked out: the largest micro-batch that fits, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from holdfast.model.config import Config
from holdfast.model.count import Demand, memory, parameters
from holdfast.model.portions import chunk_elements
from holdfast.model.sizes import SIZES, size_config
from holdfast.train.memory import ROOM, free_memory

GPUS = (4, 8, 16, 24, 80)  # GB, as they are sold
CONTEXT_BYTES = 700 * 2**20  # of a GPU, what its driver and libraries take before anything is trained
USABLE = 0.92  # of the rest: an allocator in pieces leaves some
MOST_ROWS = 4096
PRECISIONS = ("bf16", "fp32")


def table(vocab_size: int) -> list[dict[str, Any]]:
    """A row for every size, smallest first: name, parameters, context_length and `fits`, by place and precision.

    fits[place][precision] is {"rows", "bytes"}: rows of the context, at most MOST_ROWS, with AdamW, in steps of several
    micro-batches; 0 rows and the bytes of one where not even that fits. Places are "4 GB" to "80 GB" and "here".
    """
    places = {f"{size} GB": int((size * 1e9 - CONTEXT_BYTES) * USABLE) for size in GPUS}
    on_gpu = torch.cuda.is_available()
    free = free_memory(torch.device("cuda" if on_gpu else "cpu"))
    here = int(free * (USABLE if on_gpu else ROOM))
    found = []
    for name in SIZES:
        config = size_config(name, vocab_size)
        fits = {place: {each: largest(config, size, each) for each in PRECISIONS} for place, size in places.items()}
        fits["here"] = {each: largest(config, here, each, heap=not on_gpu) for each in PRECISIONS}
        found.append(
            {"size": name, "parameters": parameters(config), "context_length": config.context_length, "fits": fits}
        )
    return sorted(found, key=lambda each: int(each["parameters"]))


def largest(config: Config, limit: int, precision: str, *, heap: bool = False) -> Mapping[str, int]:
    """The most rows whose training takes no more than `limit` bytes, by halving, and what they take.

    heap: in the memory of a process, which saves from a copy of its state.
    """

    def needed(rows: int) -> int:
        logits = chunk_elements("cpu" if heap else "cuda", precision)
        demand = Demand(rows, logits, accumulates=True, precision=precision, snapshot=heap, heap=heap)
        return memory(config, replace(demand, evaluation_rows=1)).total

    fits, fails = 0, MOST_ROWS + 1
    while fails - fits > 1:
        middle = (fits + fails) // 2
        fits, fails = (middle, fails) if needed(middle) <= limit else (fits, middle)
    return {"rows": fits, "bytes": needed(max(1, fits))}
