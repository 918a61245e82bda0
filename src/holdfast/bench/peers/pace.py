"""How fast prompts are continued, for us and for others: the same prompts, the same number of new tokens, greedily."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

PROMPT, NEW = 32, 48  # tokens
BATCHES = (1, 8)
REPEATS = 5


def pace(made: Callable[[list[list[int]], int], int], vocab: int, room: int) -> dict[str, float]:
    """Tokens a second for each batch. made(prompts, new tokens of each) -> tokens made. room: most new ones that fit.

    The first call of each batch, which allocates, is not counted.
    """
    rng, new, found = random.Random(1), min(NEW, room), {}
    for batch in BATCHES:
        prompts = [[rng.randrange(vocab // 2, vocab) for _ in range(PROMPT)] for _ in range(batch)]
        speeds = []
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            count = made(prompts, new)
            speeds.append(count / (time.perf_counter() - began))
        found[f"batch_{batch}_tokens_per_second"] = statistics.median(speeds[1:])
    return found
