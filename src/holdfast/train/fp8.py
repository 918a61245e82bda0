"""FP8: what a recipe may ask for, and why this machine or this version can not give it. It is not trained in yet."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import Field

from holdfast.base.settings import Section

CAPABILITY = (8, 9)  # of the first NVIDIA GPUs that multiply in FP8: Ada, then Hopper (9.0)
BACKENDS = ("torchao", "transformer_engine")  # in the order in which `auto` looks for them


class Fp8Settings(Section):
    """How products are made in eight bits; read when precision is fp8."""

    format: Literal["hybrid", "e4m3", "e5m2"] = Field(
        default="hybrid", description="bits for range and for rounding; hybrid: e4m3 going forward, e5m2 for gradients"
    )
    backend: Literal["auto", "torchao", "transformer_engine"] = Field(
        default="auto", description="library that makes the products; auto: the first of them that is installed"
    )


def shortfall(settings: Fp8Settings, device: str, capability: tuple[int, int] | None) -> str:
    """Why there is no training in FP8, in one line. capability: of a CUDA device, None for any other."""
    if capability is None:
        return (
            f"FP8 needs an NVIDIA GPU of compute capability {_dotted(CAPABILITY)} or later, and the device is {device}"
        )
    if capability < CAPABILITY:
        return f"FP8 needs compute capability {_dotted(CAPABILITY)} or later, and this GPU has {_dotted(capability)}"
    wanted = BACKENDS if settings.backend == "auto" else (settings.backend,)
    found = [name for name in wanted if find_spec(name) is not None]
    if not found:
        return f"FP8 needs {' or '.join(wanted)}, which is not installed"
    return f"this GPU and {found[0]} could do it, but this version does not train in FP8 ({settings.format}) yet"


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"
