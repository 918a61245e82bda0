"""When a start of a run has to be over: by what the recipe allows, and by when a scheduler takes the machine away."""

from __future__ import annotations

import math
from collections.abc import Mapping

SLURM_END = "SLURM_JOB_END_TIME"  # seconds since 1970; sbatch(1), output environment variables
MARGIN = 120.0  # seconds of a job that are kept for the step under way, its save and the way out
TOO_SHORT = 30.0  # seconds in which a start gets nothing done


def seconds_left(limit: float | None, now: float, environment: Mapping[str, str]) -> float:
    """Seconds until a start that begins now asks itself to stop; infinite where nothing limits it.

    limit: `time_limit` of the recipe. now: seconds since 1970. environment: that of the process.
    """
    return min(math.inf if limit is None else limit, _job_end(environment) - MARGIN - now)


def _job_end(environment: Mapping[str, str]) -> float:
    """When the scheduler's job ends; never, where there is none or it says nothing that can be read."""
    said = environment.get(SLURM_END, "")
    return float(said) if said.isdecimal() else math.inf
