"""Where the harnesses of this folder write what they counted, and how large a run of them is asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FULL = os.environ.get("HOLDFAST_CHAOS") == "full"


def count(short: int, full: int) -> int:
    """How many cases to try: a sample in the ordinary suite, the whole figure in `make chaos`."""
    return full if FULL else short


def record(name: str, figures: dict[str, Any]) -> None:
    """Keep the figures of one harness as NAME.json in the folder that HOLDFAST_CHAOS_OUT names, if it does."""
    if folder := os.environ.get("HOLDFAST_CHAOS_OUT"):
        from holdfast.stages.run import environment  # here, so that a harness which must not load torch does not

        Path(folder).mkdir(parents=True, exist_ok=True)
        found = {"full": FULL, "environment": environment(), **figures}
        Path(folder, f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
