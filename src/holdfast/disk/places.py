"""The one folder outside of runs that is ever written to."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HOLDFAST_CACHE"


def cache_folder() -> Path:
    """HOLDFAST_CACHE, else `holdfast` in the user's cache folder (XDG_CACHE_HOME, else ~/.cache). Creates nothing."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")  # the XDG base directory specification: a relative one is ignored
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "holdfast"
