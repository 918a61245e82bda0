"""What was found out about checkpoints after they were committed: that one is the best, that one proved healthy.

STAGE/marks.json    {"step-00000200.i03": {"best": 1.42, "healthy": null}}

A checkpoint is never changed, so this is written beside it. It is advice: retention and people read it, recovery of the
newest state does not, and losing it costs no training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeGuard

from holdfast.disk.files import fingerprint, open_plain, write_json
from holdfast.vault.manifest import LARGEST_BYTES, strict_json

FILE = "marks.json"
_CHECK = "check"
Marks = dict[str, dict[str, float | None]]


def read_marks(root: Path) -> Marks:
    """checkpoint -> tag -> score or None. What can not be read, or is not of this form, counts as no marks."""
    try:
        with open(open_plain(root / FILE), "rb") as file:
            found = strict_json(file.read(LARGEST_BYTES + 1))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or found.pop(_CHECK, None) not in (None, fingerprint(found)):
        return {}  # None: an older version wrote no hash
    return {name: _scores(tags) for name, tags in found.items() if isinstance(tags, dict)}


def _scores(tags: dict[str, object]) -> dict[str, float | None]:
    return {tag: score for tag, score in tags.items() if score is None or _is_number(score)}


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) in (int, float)


def write_mark(root: Path, name: str, tag: str, score: float | None, present: Iterable[str]) -> None:
    """Add a tag to the checkpoint `name`, and forget those that are no longer `present`. Raises OSError."""
    marks = {kept: tags for kept, tags in read_marks(root).items() if kept in set(present)}
    marks.setdefault(name, {})[tag] = score
    write_json(root / FILE, {**marks, _CHECK: fingerprint(marks)})


def tags_of(name: str, tags: Iterable[str], marks: Mapping[str, Mapping[str, float | None]]) -> tuple[str, ...]:
    """A checkpoint's own tags and its marks, each once."""
    return tuple(dict.fromkeys([*tags, *marks.get(name, {})]))
