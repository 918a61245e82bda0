"""Words and breaks put together again as lines and paragraphs: what every kind of markup ends in."""

from __future__ import annotations

import re


class Flow:
    """Text on its way from markup to plain lines. White space counts as one space, unless it is preformatted.

    glue: white space that is no part of the text, as in front of a comma where a file was indented.
    """

    def __init__(self, glue: re.Pattern[str] | None = None) -> None:
        self.glue = glue
        self.preformatted = False
        self._blocks: list[str] = []
        self._line: list[str] = []
        self._close = False

    def words(self, text: str | None) -> None:
        """More of the same line."""
        if text:
            self._line.append(text)

    def end_line(self) -> None:
        """What follows begins a line."""
        self._end("\n")

    def end_paragraph(self) -> None:
        """What follows begins a paragraph."""
        self._end("\n\n")

    def end_label(self) -> None:
        """What follows begins the next line even where it is a paragraph: a speaker's name stays with the speech."""
        self._end("\n")
        self._close = True

    def text(self) -> str:
        """All of it."""
        self._end("")
        return "".join(self._blocks).strip("\n")

    def _end(self, separator: str) -> None:
        whole = "".join(self._line)
        self._line.clear()
        if self.glue is not None:
            whole = self.glue.sub("", whole)
        text = whole.strip("\n") if self.preformatted else " ".join(whole.split())
        if text:
            self._blocks.append(text)
            self._close = False
        if not self._blocks:
            return
        if text or self._blocks[-1] not in ("\n", "\n\n"):
            self._blocks.append(separator)
        elif not self._close:
            self._blocks[-1] = max(self._blocks[-1], separator, key=len)
