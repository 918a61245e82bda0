"""What the head of a Project Gutenberg file says of the book: lines such as "Author: ...", above the START line.

Its dates are those of the release, so it gives no year. The form: https://www.gutenberg.org/policy/license.html and the
files of thirty years.
"""

from __future__ import annotations

import re

from holdfast.text.read.language import language_of

HEAD_CHARACTERS = 6000  # the oldest heads have a letter to the reader before these lines
_SAYS = re.compile(r"^(Title|Author|Language):[ \t]*(\S.*(?:\r?\n[ \t]+\S.*)*)", re.MULTILINE)
_START = re.compile(r"^\*\*\* ?START", re.MULTILINE)
_COPYRIGHTED = "COPYRIGHTED Project Gutenberg"


def facts(text: str) -> dict[str, str]:
    """Title, author, language, and `licence` where the file says that it is not free; empty for any other text."""
    head = text[:HEAD_CHARACTERS]
    if "Project Gutenberg" not in head:
        return {}
    start = _START.search(head)
    head = head[: start.start()] if start else head
    found: dict[str, str] = {}
    for match in _SAYS.finditer(head):
        found.setdefault(match[1].lower(), " ".join(match[2].split()))
    language = language_of(found.pop("language", ""))
    licence = "copyrighted" if _COPYRIGHTED in head else ""
    return {**found, **{name: said for name, said in (("language", language), ("licence", licence)) if said}}
