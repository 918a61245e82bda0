"""What a recipe says about measuring finished models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holdfast.base.settings import Count, Section


class EvaluateSettings(Section):
    """How much to measure, and what the fixed samples are made from."""

    bits_per_byte_tokens: Annotated[Count, Field(ge=1)] = Field(
        default=1_000_000, description="held-out tokens read for bits per byte, at most"
    )
    questions: Count = Field(default=500, description="held-out questions asked of a chat model that can be marked")
    prompts: list[str] = Field(default=["The", "It was", "When"], description="beginnings that every sample continues")
    max_tokens: Annotated[Count, Field(ge=1)] = Field(default=100, description="longest sample, in tokens")
    temperature: Annotated[float, Field(ge=0)] = Field(
        default=0.8, description="how freely samples are drawn; 0 always takes the likeliest token"
    )
    seed: int = Field(default=1, description="seed of the samples and of the choice of questions")
