"""What an archive said of the files it gave: title, author, year. Kept beside them, for texts that do not say it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from holdfast.disk.files import write_bytes
from holdfast.text.fetch.items import Item

KNOWN = ".known.json"  # hidden, so that it is not read as a text


def note(folder: Path, items: Iterable[Item], licence: str) -> None:
    """Note down what is known of files in the folder of a source, besides what was noted before. Raises OSError.

    licence: that of the source; noted is only another one.
    """
    noted = known(folder)
    for item in items:
        noted[item.name] = {**item.meta, **({} if item.licence == licence else {"licence": item.licence})}
    write_bytes(folder / KNOWN, json.dumps(noted, ensure_ascii=False, indent=1, sort_keys=True).encode())


def known(folder: Path) -> dict[str, Mapping[str, Any]]:
    """What is known, by the path of a file below the folder; nothing where nothing sound was noted."""
    try:
        noted = json.loads((folder / KNOWN).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(noted, dict):
        return {}
    return {name: said for name, said in noted.items() if isinstance(said, dict)}
