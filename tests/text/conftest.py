"""A library of several kinds of texts, read in several parts."""

import gzip
import json
from pathlib import Path

import pytest

from holdfast.text import gather, harbour


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Thirty texts and two copies in files, folders and rows, rubbish among them: enough for six parts."""
    monkeypatch.setattr(gather, "PART_CHARACTERS", 1200)
    folder = tmp_path / "library"
    texts = [document.text for document in harbour.documents(30, 2)]
    for name, some in (("a", texts[:8]), ("b", texts[8:14])):
        (folder / name).mkdir(parents=True)
        for number, text in enumerate(some):
            (folder / name / f"{number}.txt").write_text(text, "utf-8")
    rows = [json.dumps({"text": text}) for text in [*texts[14:], texts[0], texts[20].upper()]]
    (folder / "c.jsonl.gz").write_bytes(gzip.compress("\n".join([*rows[:9], "{broken", "", *rows[9:]]).encode()))
    (folder / "d.bin").write_bytes(b"\0\1")
    return folder


@pytest.fixture
def shelf(library: Path) -> Path:
    """The library with all that can be there twice: a paragraph, a verse, a question, an edition with misprints."""
    passage = " ".join(f"passage{number}" for number in range(30))
    for number, path in enumerate(sorted((library / "a").iterdir())):
        path.write_text(f"{path.read_text('utf-8')}\n\n{passage}\n\nIts number is {number}.\n", "utf-8")
    book = " ".join(document.text for document in harbour.documents(60, 8)).split()
    (library / "book.txt").write_text(" ".join(book))
    (library / "edition.txt").write_text(" ".join("rn" + word if n % 40 == 7 else word for n, word in enumerate(book)))
    (library.parent / "eval.jsonl").write_text(json.dumps({"query": " ".join(book[300:330])}))
    return library
