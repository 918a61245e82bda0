"""What a recipe says about when people are told that something goes wrong. None of it changes what is learned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from holdfast.base.settings import Section, free

Times = Annotated[float, Field(gt=1)]
Part = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class AlarmSettings(Section):
    """When an alarm is raised. Each is told once, and once when it is over; off: never."""

    risk_minutes: Positive | None = free(10.0, description="minutes of work that a kill would cost")
    overdue: Times | None = free(3.0, description="age of the newest checkpoint, in intervals between two of them")
    step_time: Times | None = free(
        1.5, description="how many times as long a step takes as at the beginning of this start"
    )
    throughput: Part | None = free(
        0.6, description="part that is left of the tokens a second this run once read, and so of its MFU"
    )
    loss: Times | None = free(1.2, description="how many times as high as its own best the smoothed loss is")
    memory: Part | None = free(0.87, description="part of the memory of the machine, or of its GPU, that is in use")
    disk_gb: Positive | None = free(
        1.0, description="free disk space in GB; more where the next two checkpoints need more"
    )
    hang_minutes: Literal["auto"] | Positive | None = free(
        "auto", description="minutes without progress that are a hang; auto: five times a slow step, 30 s at least"
    )
    on_hang: Literal["log", "exit"] = free(
        "log", description="what to do then, when the stacks are written: wait, or leave with 75 to be started again"
    )
