"""Gates: reasons not to learn from a clean text. Each is a pure question with an answer that can be counted."""

from __future__ import annotations

from holdfast.base.records import Document
from holdfast.text.rejection import Rejected, preview
from holdfast.text.settings import CorpusSettings


def judge(document: Document, settings: CorpusSettings) -> Rejected | None:
    """Why a cleaned document is left out, or None when it is kept."""
    size = len(document.text)
    if not document.text.strip():
        return Rejected(document.id, "empty")
    if size < settings.min_chars:
        detail = f"{size} of {settings.min_chars} characters"
        return Rejected(document.id, "too short", detail, preview(document.text))
    return None
