"""How sure a share is, given how many were asked."""

from __future__ import annotations

import math

Z95 = 1.959963984540054  # the standard normal holds 95 % of its weight between -Z95 and Z95


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `right` in `n` independent trials (Wilson 1927).

    Unlike value ± margin it stays inside 0..1 and keeps a width when all or none are right. Raises ValueError for
    counts that are no share.
    """
    if not 0 <= right <= n or n == 0:
        raise ValueError(f"{right} of {n} is not a share")
    share = right / n
    squared = Z95 * Z95 / n
    centre = (share + squared / 2) / (1 + squared)
    half = Z95 * math.sqrt(share * (1 - share) / n + squared / (4 * n)) / (1 + squared)
    # none and all right reach the very ends; rounding must not leave them a hair away
    return 0.0 if right == 0 else centre - half, 1.0 if right == n else centre + half
