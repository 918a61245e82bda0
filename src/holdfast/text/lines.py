"""Documents as lines of JSON: how they lie on the disk, in the corpus and on their way to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.base.records import Document


def document_line(document: Document) -> bytes:
    """A document as one line. What can not be written as UTF-8 is escaped, as JSON allows."""
    return json_line({"id": document.id, "text": document.text, "meta": dict(document.meta)})


def json_line(row: Mapping[str, Any]) -> bytes:
    """Plain data as one line of JSON in UTF-8."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"


def read_document(line: bytes) -> Document:
    """The document of a line of ours. Raises ValueError or KeyError for anything else."""
    row = json.loads(line)
    return Document(row["id"], row["text"], row["meta"])
