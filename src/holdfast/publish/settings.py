"""What a recipe says about the formats a finished model is written in."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from holdfast.base.settings import Section


class ExportSettings(Section):
    """Which formats, in which numbers."""

    to: list[Literal["hf"]] = Field(
        default=["hf"], description="formats to write; hf: a folder that transformers loads; []: none"
    )
    dtype: Literal["fp32", "bf16"] = Field(default="fp32", description="number format of the written weights")
