"""Paragraphs that several documents have."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.text.dedup import paragraphs
from holdfast.text.dedup.paragraphs import LEAST_WORDS, marked, repeated
from holdfast.text.dedup.shingles import words

LONG = " ".join(f"word{number}" for number in range(LEAST_WORDS))
OTHER = " ".join(f"other{number}" for number in range(2 * LEAST_WORDS))


def written(path: Path, *texts: str, begin: int = 0, near: bool = False) -> Path:
    rows = [marked(text, words(text), near).rows(number) for number, text in enumerate(texts, begin)]
    path.write_bytes(b"".join(rows))
    return path


@pytest.mark.parametrize("held", [1 << 22, 1])
def test_the_first_document_keeps_what_the_later_ones_lose(
    tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paragraphs, "HELD", held)
    chorus = f"{LONG}\n\nbetween\n\n{LONG}"
    texts = [chorus, f"begin\n\n{LONG.upper()}!\n\nend", f"{OTHER}\n\n{chorus}", "short\n\nshort"]
    files = [written(tmp_path / "0", *texts[:2]), written(tmp_path / "1", *texts[2:], begin=2)]
    rows = repeated(files, np.ones(4, bool)).tolist()
    cut = [(number, texts[number][begin:end].strip()) for number, begin, end in rows]
    assert cut == [(1, f"{LONG.upper()}!"), (2, LONG), (2, LONG)]


def test_a_document_that_is_left_out_keeps_nothing_from_others(tmp_path: Path) -> None:
    file = written(tmp_path / "0", LONG, LONG, LONG)
    assert repeated([file], np.array([False, True, True]))[:, 0].tolist() == [2]


def test_nearly_the_same_paragraph_is_found_when_asked_for(tmp_path: Path) -> None:
    changed = [OTHER.replace("other7 ", f"misread{number} ") for number in range(20)]
    assert not len(repeated([written(tmp_path / "0", OTHER, *changed)], np.ones(21, bool)))
    near = repeated([written(tmp_path / "1", OTHER, *changed, near=True)], np.ones(21, bool))
    assert len(near) > 5
    other = " ".join(f"else{number}" for number in range(40))
    assert not len(repeated([written(tmp_path / "2", OTHER, other, near=True)], np.ones(2, bool)))
