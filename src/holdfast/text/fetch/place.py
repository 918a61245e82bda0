"""The cache folder: what was fetched once, for all runs of this machine."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HOLDFAST_CACHE"
SOURCES = "sources"


def cache_folder() -> Path:
    """HOLDFAST_CACHE, else `holdfast` in the user's cache folder (XDG_CACHE_HOME, else ~/.cache). Creates nothing."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")  # the XDG base directory specification: a relative one is ignored
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "holdfast"


def sources_folder() -> Path:
    """Where fetched texts are: a folder for each source, and beside them what is known of their files."""
    return cache_folder() / SOURCES
