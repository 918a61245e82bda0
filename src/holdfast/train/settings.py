"""What a recipe says about one stage of training; pretraining and SFT take the same settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from holdfast.base.settings import Count, Problem, Section, free, group

Rate = Annotated[float, Field(ge=0)]
Memory = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[Count, Field(ge=1)]


class OptimizerSettings(Section):
    """How gradients become steps."""

    kind: Literal["adamw", "muon"] = Field(
        default="adamw", description="adamw for every parameter, or muon for the matrices and adamw for the rest"
    )
    learning_rate: Rate = Field(default=1e-3, description="highest step size of AdamW, reached after the warmup")
    matrix_learning_rate: Rate = Field(default=0.02, description="highest step size of Muon; read when kind is muon")
    table_learning_rate: Rate | None = Field(
        default=None, description="highest step size of AdamW for the table of token vectors; off: learning_rate"
    )
    head_learning_rate: Rate | None = Field(
        default=None, description="highest step size of AdamW for a head that is no table; off: learning_rate"
    )
    weight_decay: Rate = Field(
        default=0.1, description="decoupled decay of matrices, per step and unit of learning rate"
    )
    betas: tuple[Memory, Memory] = Field(
        default=(0.9, 0.95), description="AdamW's memory of gradients and their squares"
    )
    epsilon: Rate = Field(default=1e-8, description="what AdamW adds to the root of the squared gradients")
    momentum: Memory = Field(default=0.95, description="Muon's memory of gradients; read when kind is muon")


class ScheduleSettings(Section):
    """How the learning rate moves over a stage."""

    kind: Literal["constant", "cosine", "linear", "wsd"] = Field(
        default="cosine",
        description="shape after the warmup; wsd holds the rate and lets it fall in the last part only",
    )
    warmup_fraction: Fraction = Field(
        default=0.02, description="part of the steps in which the rate rises from nothing"
    )
    decay_fraction: Fraction = Field(
        default=0.4, description="last part of the steps in which the rate falls; read by wsd"
    )
    final_fraction: Fraction = Field(default=0.1, description="part of the highest rate that is left at the end")

    def problems(self) -> Iterator[Problem]:
        """Warmup and decay share one stage."""
        if self.kind == "wsd" and self.warmup_fraction + self.decay_fraction > 1:
            what = f"warmup ({self.warmup_fraction}) and decay ({self.decay_fraction}) are longer than the stage"
            yield Problem("decay_fraction", what, "let the two fractions add up to 1 at most")


class TrainSettings(Section):
    """How long, in what portions and with which optimizer a stage trains, and what is written down on the way."""

    steps: Positive | None = Field(default=None, description="length of the stage in steps")
    epochs: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="length in passes over the training tokens"
    )
    tokens: Positive | None = Field(default=None, description="length in tokens read")
    batch_tokens: Positive = Field(default=8192, description="tokens per step, a multiple of the context length")
    micro_batch_rows: Positive | None = free(
        None,
        description="rows of one context length computed at once, to save memory; off: the whole batch, or what fits "
        "where recompute is auto",
    )
    recompute: Literal["auto", "none", "every_second", "all"] = free(
        "auto",
        description="layers that are computed again going back instead of kept: less memory for more time; auto: where "
        "memory is short, fewer rows at once, then every second layer, then all",
    )
    packing: Literal["windows", "documents"] = Field(
        default="windows",
        description="cut the stream of tokens into windows, or keep documents apart and pack whole ones",
    )
    optimizer: OptimizerSettings = group(OptimizerSettings)
    schedule: ScheduleSettings = group(ScheduleSettings)
    clip: Annotated[float, Field(gt=0)] | None = Field(
        default=1.0, description="largest length of the gradient; a longer one is scaled down; off: never"
    )
    save_steps: Positive | None = free(None, description="steps between two checkpoints; off: by time only")
    save_minutes: Annotated[float, Field(gt=0)] | None = free(
        0.75, description="minutes between two checkpoints, the work at risk; off: by steps only"
    )
    keep: Annotated[int, Field(ge=2)] = free(3, description="how many of the newest checkpoints stay on disk")
    eval_steps: Positive | None = free(250, description="steps between two validations; off: at the end only")
    eval_tokens: Positive = free(200_000, description="held-out tokens read per validation, always the same ones")
    sample_steps: Positive | None = free(None, description="steps between two rounds of samples; off: at the end only")

    def horizons(self) -> list[str]:
        """Which of the settings that say how long to train are given."""
        return [name for name in ("steps", "epochs", "tokens") if getattr(self, name) is not None]

    def problems(self) -> Iterator[Problem]:
        """Only one setting can say how long."""
        if len(given := self.horizons()) > 1:
            yield Problem(given[-1], f"{' and '.join(given)} both say how long to train", "keep one of them")


class CheckpointSettings(Section):
    """Which checkpoints stay, besides the newest ones, and what may be risked. None of it changes what is learned."""

    keep_best: Annotated[Count, Field(ge=1)] = free(2, description="how many of those with the best validation stay")
    keep_emergency: Count = free(3, description="how many of those stay that were saved because something broke")
    milestone_steps: Positive | None = free(None, description="steps between two that stay for good; off: none does")
    milestone_epochs: Positive | None = free(None, description="epochs between two that stay for good; off: none does")
    milestones: Literal["weights", "full"] = free(
        "weights", description="keep old milestones as weights only, a third of the size, or so that training can go on"
    )
    disk_budget_gb: Annotated[float, Field(gt=0)] | None = free(
        None, description="what the checkpoints of all stages may take up; off: as much as the numbers above come to"
    )
    risk_minutes: Annotated[float, Field(gt=0)] = free(
        60.0, description="age of the last checkpoint at which a run that can not save gives up"
    )
    background: bool = free(True, description="save while training goes on, where memory allows it")


class GuardSettings(Section):
    """What is done when a step can not be right, and when a run gives up. Sound steps are not touched by any of it, and
    every decision is journaled, so a run may go on under other rules."""

    spike: Annotated[float, Field(gt=0)] | None = free(
        8.0,
        description="robust standard deviations above the last 128 steps from which a loss is a spike; off: none is",
    )
    max_skips: Count = free(5, description="steps in a row that may be left out before the weights are suspect")
    max_rollbacks: Count = free(3, description="times that training may go back within 1000 steps before it halts")
    rollback_lr: Annotated[float, Field(gt=0, le=1)] = free(
        0.5, description="factor on the learning rate for a while after going back"
    )
    rollback_steps: Count = free(200, description="how many steps behind the place of harm that factor holds")
    on_trend: Literal["log", "lower_lr", "rollback"] = free(
        "log",
        description="what to do when validation keeps getting worse: tell, lower the rate, or go back to the best",
    )
    trend_checks: Positive = free(5, description="validations in a row that make a trend")
    trend_factor: Annotated[float, Field(ge=1)] = free(
        1.2, description="times the best score above which a validation counts as worse"
    )
    trend_lr: Annotated[float, Field(gt=0, le=1)] = free(0.5, description="factor on the learning rate for lower_lr")
    on_plateau: Literal["log", "lower_lr"] = free("log", description="what to do when validation stands still")
    plateau_checks: Positive = free(10, description="validations without a new best that make a plateau")
    patience: Positive | None = free(
        None, description="validations without a new best after which a stage ends early; off: never"
    )
    grow_steps: Positive | None = free(
        None, description="steps after which rows that memory once refused are tried again, twice as many; off: never"
    )
