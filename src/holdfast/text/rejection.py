"""Text that can not be used, with the reason: counted and listed, never a stop."""

from __future__ import annotations

from dataclasses import dataclass

PREVIEW_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Rejected:
    """One text, file, row or archive member that was left out.

    reason: a few words, the same for all texts that fail alike, so that it can be counted.
    detail: what holds for this one only (a line number, a byte position).
    """

    id: str
    reason: str
    detail: str = ""
    preview: str = ""

    @property
    def why(self) -> str:
        """Reason and detail in one line."""
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class Unreadable(Exception):
    """A reader can not go on with this text; whoever knows which text it was makes it a Rejected."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail

    def rejected(self, id: str, preview: str = "") -> Rejected:
        """The record of this failure for the text called `id`."""
        return Rejected(id, self.reason, self.detail, preview)


def preview(text: str) -> str:
    """The beginning of a text on one line."""
    return " ".join(text[: 4 * PREVIEW_CHARACTERS].split())[:PREVIEW_CHARACTERS]
