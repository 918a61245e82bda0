"""Numbered files of JSON lines: how documents lie on the disk, in the corpus and on their way to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from holdfast.base.files import atomic_writer, file_hash
from holdfast.base.records import Document

FILE_BYTES = 64_000_000


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


class LineFiles:
    """`NAME-00000.jsonl`, `NAME-00001.jsonl`, ... each of about `file_bytes`, appearing when complete.

    Use as a context manager; when the block fails, the file being written is dropped and finished ones stay.
    """

    def __init__(self, folder: Path, name: str, file_bytes: int = FILE_BYTES) -> None:
        self.folder = folder
        self.name = name
        self.file_bytes = file_bytes
        self.paths: list[Path] = []
        self.documents: list[int] = []
        self._open = ExitStack()
        self._file: IO[bytes] | None = None
        self._room = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, traceback)

    def add(self, line: bytes) -> None:
        """Append one line."""
        if self._file is None or self._room <= 0:
            self._open.close()
            self.paths.append(self.folder / f"{self.name}-{len(self.paths):05}.jsonl")
            self.documents.append(0)
            self._file = self._open.enter_context(atomic_writer(self.paths[-1]))
            self._room = self.file_bytes
        self._file.write(line)
        self._room -= len(line)
        self.documents[-1] += 1

    def facts(self) -> list[dict[str, Any]]:
        """Name, documents, bytes and hash of each file, once the block has ended."""
        return [
            {"name": path.name, "documents": count, "bytes": path.stat().st_size, "hash": file_hash(path)}
            for path, count in zip(self.paths, self.documents, strict=True)
        ]


def consumed(paths: list[Path]) -> Iterator[bytes]:
    """The lines of files, each of which is deleted when it has been read."""
    for path in paths:
        with open(path, "rb") as file:
            yield from file
        path.unlink()
