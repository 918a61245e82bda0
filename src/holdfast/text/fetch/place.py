"""Where fetched texts lie in the cache folder."""

from __future__ import annotations

from pathlib import Path

from holdfast.disk.places import cache_folder

SOURCES = "sources"


def sources_folder() -> Path:
    """A folder for each source, and beside them what is known of their files."""
    return cache_folder() / SOURCES
